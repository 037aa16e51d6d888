from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from core.errors import InputError
from core.randomness import generator
from landscape.flatness.persistence import label_persistence


class HalfSpace(nn.Module):
    """Label 0 where `w' x > 0`, with `w` of length 1: noise leaves it with a known probability."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.weight = torch.linspace(-1, 1, d + 1, dtype=torch.float64)[1:]
        self.weight /= self.weight.norm()

    def forward(self, x: Tensor) -> Tensor:
        height = x.flatten(1).to(torch.float64) @ self.weight
        return torch.stack([height, torch.zeros_like(height)], 1)


class Shell(nn.Module):
    """Label 0 within a distance of the origin, and again beyond another one."""

    def forward(self, x: Tensor) -> Tensor:
        length = x.flatten(1).norm(dim=1)
        height = torch.where((length > 1) & (length < 3), -1.0, 1.0).to(x)
        return torch.stack([height, torch.zeros_like(height)], 1)


def at_distance(distance: float, n: int, d: int) -> tuple[HalfSpace, Tensor, Tensor]:
    net = HalfSpace(d)
    return net, (distance * net.weight).expand(n, d), torch.zeros(n, dtype=torch.int64)


@pytest.mark.parametrize("gamma", [0.6, 0.7, 0.9])
def test_of_a_linear_classifier_it_is_the_distance_over_the_normal_quantile(gamma: float) -> None:
    net, images, labels = at_distance(0.05, 40, 6)
    found = label_persistence(net, images, labels, gamma=gamma, draws=1000, steps=16)
    expected = 0.05 / stats.norm.ppf(gamma)
    assert abs(found.sigma.log().mean().exp() / expected - 1) < 0.05
    assert (found.low < found.sigma).all()
    assert (found.sigma < found.high).all()


def test_the_estimate_is_the_crossing_of_the_draws_themselves() -> None:
    """Along a ray the half space is left once, so the crossing is a quantile of those lengths."""
    draws = 50
    net, images, labels = at_distance(0.05, 5, 4)
    found = label_persistence(
        net, images, labels, gamma=0.7, draws=draws, steps=40, ids="abcde", seed=4
    )
    for i, name in enumerate("abcde"):
        stream = generator(4, name, "persistence")
        noise = torch.from_numpy(stream.standard_normal((draws, 4), dtype="float32")).double()
        slope = -(noise @ net.weight)
        exits = torch.where(slope > 0, 0.05 / slope, torch.inf).sort().values
        # 35 of 50 are kept up to the 16th exit.
        assert found.sigma[i].item() == pytest.approx(exits[15].item(), rel=1e-3)


@pytest.mark.parametrize("draws", [32, 100])
def test_the_interval_covers_as_often_as_it_says(draws: int) -> None:
    n, level, gamma = 1000, 0.9, 0.7
    net, images, labels = at_distance(0.05, n, 5)
    found = label_persistence(net, images, labels, gamma=gamma, draws=draws, level=level)
    true = 0.05 / stats.norm.ppf(gamma)
    above, below = found.low > true, found.high < true
    covered = 1 - (above | below).double().mean()
    noise = 2 * (level * (1 - level) / n) ** 0.5
    assert covered >= level - noise
    # Counts are whole, and brackets have a width: a little wider than needed, but not useless.
    assert covered <= 0.985
    assert above.double().mean() <= (1 - level) / 2 + noise
    assert below.double().mean() <= (1 - level) / 2 + noise


def test_more_draws_narrow_the_interval_as_the_docstring_says() -> None:
    net, images, labels = at_distance(0.05, 200, 5)
    true = 0.05 / stats.norm.ppf(0.8)
    for draws, low, high in ((32, 0.5, 2.4), (64, 0.65, 1.7), (256, 0.8, 1.25)):
        found = label_persistence(net, images, labels, draws=draws, steps=20)
        assert (found.low / true).median() == pytest.approx(low, abs=0.06)
        assert (found.high / true).median() == pytest.approx(high, abs=0.15)


def test_what_noise_of_any_strength_keeps_or_never_keeps_is_cut_to_the_range() -> None:
    net, images, labels = at_distance(1e3, 2, 4)
    kept = label_persistence(net, images, labels, draws=32)
    torch.testing.assert_close(kept.sigma, torch.ones(2).double(), rtol=0.03, atol=0)
    assert kept.high.isinf().all()
    net, images, labels = at_distance(1e-9, 2, 4)
    lost = label_persistence(net, images, labels, draws=32)
    torch.testing.assert_close(lost.sigma, torch.full((2,), 1e-3).double(), rtol=0.03, atol=0)
    assert lost.low.eq(0).all()
    wrong = label_persistence(net, images, labels + 1, draws=32)
    assert wrong.sigma.eq(0).all()
    assert wrong.high.eq(0).all()


def test_few_draws_can_be_certain_of_nothing() -> None:
    net, images, labels = at_distance(0.05, 3, 4)
    found = label_persistence(net, images, labels, gamma=0.9, draws=8)
    assert found.low.eq(0).all()


def test_where_strong_noise_keeps_the_label_again_the_first_crossing_is_found() -> None:
    images = torch.zeros(20, 16, dtype=torch.float64)
    labels = torch.zeros(20, dtype=torch.int64)
    found = label_persistence(
        Shell(), images, labels, gamma=0.7, draws=400, between=(0.05, 5.0), steps=18
    )
    # |e| is near sigma * 4: the inner ball is left near sigma = 1/4, the outer entered near 3/4.
    first = 1 / stats.chi.ppf(0.7, 16)
    assert (found.sigma / first - 1).abs().max() < 0.05


def test_every_pass_is_counted_and_the_batch_size_changes_nothing() -> None:
    net, images, labels = at_distance(0.1, 7, 4)
    rows = 0

    def count(_: nn.Module, given: tuple[Tensor]) -> None:
        nonlocal rows
        rows += len(given[0])

    handle = net.register_forward_pre_hook(count)
    whole = label_persistence(net, images, labels, draws=10, steps=5)
    handle.remove()
    assert rows == 7 * whole.evaluations == 7 * 51
    for size in (1, 30):
        part = label_persistence(net, images, labels, draws=10, steps=5, batch_size=size)
        torch.testing.assert_close(part.sigma, whole.sigma)
        torch.testing.assert_close(part.high, whole.high)


def test_bad_input_is_one_sentence() -> None:
    net, images, labels = at_distance(1.0, 1, 4)
    for changed, message in (
        ({"gamma": 1.0}, "--gamma"),
        ({"between": (0.5, 0.1)}, "between"),
        ({"draws": 0}, "draws and steps"),
        ({"level": 1.5}, "level"),
    ):
        with pytest.raises(InputError, match=message):
            label_persistence(net, images, labels, **changed)
