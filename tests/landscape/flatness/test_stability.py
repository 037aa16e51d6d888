from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from core.errors import InputError
from landscape.flatness.noise import noise_rise
from landscape.flatness.stability import label_stability, noise_and_stability
from landscape.loss import Loss

SIGMAS = [0.1, 0.5, 2.0]


class HalfSpace(nn.Module):
    """Label 0 where `w' x > 0`: under Gaussian noise the smoothed classifier is known exactly."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.weight = torch.linspace(-1, 1, d + 1, dtype=torch.float64)[1:]
        self.weight /= self.weight.norm()

    def forward(self, x: Tensor) -> Tensor:
        height = x.flatten(1).to(torch.float64) @ self.weight
        return torch.stack([height, torch.zeros_like(height)], 1)


def at_distance(distance: float, n: int, d: int) -> tuple[HalfSpace, Tensor]:
    net = HalfSpace(d)
    return net, (distance * net.weight).expand(n, d)


def test_the_share_is_the_probability_of_the_half_space() -> None:
    net, images = at_distance(0.4, 8, 12)
    found = label_stability(net, images, torch.zeros(8, dtype=torch.int64), SIGMAS, draws=4000)
    expected = torch.tensor([stats.norm.cdf(0.4 / s) for s in SIGMAS])
    assert (found.share - expected).abs().max() < 4 * 0.5 / 4000**0.5
    net, images = at_distance(0.4, 2, 12)
    wrong = label_stability(net, images, torch.ones(2, dtype=torch.int64), SIGMAS, draws=4000)
    torch.testing.assert_close(wrong.share, 1 - found.share[:2])


def test_the_bound_holds_as_often_as_it_says() -> None:
    n, level = 1000, 0.9
    net, images = at_distance(0.3, n, 6)
    labels = torch.zeros(n, dtype=torch.int64)
    found = label_stability(net, images, labels, [0.5], draws=64, level=level)
    true = stats.norm.cdf(0.3 / 0.5)
    held = (found.lower <= true).double().mean()
    # Whole successes make it conservative, but not by more than one of 32 is worth.
    assert level <= held + 2 * (level * (1 - level) / n) ** 0.5
    assert held < 0.97
    assert found.trials == 32
    assert torch.equal(found.radius > 0, found.lower > 0.5)
    # The radius that is certified truly is 0.3, the distance to the boundary.
    exceeds = (found.radius > 0.3).double().mean()
    assert exceeds <= 1 - level + 2 * (level * (1 - level) / n) ** 0.5


def test_the_bound_counts_the_first_of_each_pair() -> None:
    net, images = at_distance(0.2, 5, 4)
    labels = torch.zeros(5, dtype=torch.int64)
    kept: list[Tensor] = []
    handle = net.register_forward_hook(lambda _, __, logits: kept.append(logits.argmax(1) == 0))
    found = label_stability(net, images, labels, [1.0], draws=20, level=0.95, batch_size=5)
    handle.remove()
    first = torch.stack(kept[1::2]).sum(0)
    expected = [stats.beta.ppf(0.05, k, 10 - k + 1) for k in first.tolist()]
    torch.testing.assert_close(found.lower[:, 0], torch.tensor(expected, dtype=torch.float64))
    share = torch.stack(kept[1:]).double().mean(0)
    torch.testing.assert_close(found.share[:, 0], share)


def test_the_certified_radius_is_that_of_cohen() -> None:
    net, images = at_distance(100.0, 2, 4)
    labels = torch.zeros(2, dtype=torch.int64)
    found = label_stability(net, images, labels, SIGMAS, draws=200, level=0.999)
    lower = 0.001 ** (1 / 100)
    torch.testing.assert_close(found.lower, torch.full((2, 3), lower, dtype=torch.float64))
    expected = torch.tensor([[s * stats.norm.ppf(lower) for s in SIGMAS]] * 2, dtype=torch.float64)
    torch.testing.assert_close(found.radius, expected)
    wrong = label_stability(net, images, labels + 1, SIGMAS, draws=200)
    assert wrong.radius.eq(0).all()
    assert wrong.lower.eq(0).all()


def test_one_pass_gives_what_two_give() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).double().requires_grad_(False)
    images = torch.rand(4, 3, 2, 2, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0])
    radii = [0.2, 1.0]
    sigmas = [r / 12**0.5 for r in radii]
    rise, stability = noise_and_stability(Loss(net, labels), images, radii)
    torch.testing.assert_close(rise.mean, noise_rise(Loss(net, labels), images, radii).mean)
    alone = label_stability(net, images, labels, sigmas)
    assert torch.equal(stability.share, alone.share)
    assert torch.equal(stability.lower, alone.lower)
    assert stability.sigmas == pytest.approx(tuple(sigmas))


def test_bad_input_is_one_sentence() -> None:
    net, images = at_distance(1.0, 1, 4)
    labels = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(InputError, match="--sigmas"):
        label_stability(net, images, labels, [-0.1])
    with pytest.raises(InputError, match="--level"):
        label_stability(net, images, labels, [0.1], level=1.0)
