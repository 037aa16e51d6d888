from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn

from core.errors import InputError
from landscape.flatness.antithetic import antithetic_moments
from landscape.flatness.noise import noise_rise
from landscape.loss import Loss


def quadratics(n: int, d: int, seed: int = 0) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """`x' A x / 2 + b' x`, another one for each example."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(n, d, d, generator=generator, dtype=torch.float64)
    matrix, slope = root @ root.transpose(1, 2) / d, root[:, 0]

    def loss(x: Tensor) -> Tensor:
        x = x.flatten(1).reshape(-1, n, d)
        return (torch.einsum("bni,nij,bnj->bn", x, matrix, x) / 2 + (x * slope).sum(2)).flatten()

    return matrix, slope, loss


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-10, 10), min_size=6, max_size=6),
    st.floats(0, 5),
    st.sampled_from(["gaussian", "sphere"]),
)
def test_a_linear_loss_does_not_rise(slope: list[float], radius: float, kind: str) -> None:
    weights = torch.tensor(slope, dtype=torch.float64)
    images = torch.linspace(0, 1, 18, dtype=torch.float64).reshape(3, 2, 3)
    found = noise_rise(lambda x: x.flatten(1) @ weights, images, [radius], kind=kind, draws=4)
    assert found.mean.abs().max() < 1e-12
    assert found.standard_error.max() < 1e-12


@settings(max_examples=15, deadline=None)
@given(st.floats(0.1, 10), st.floats(0.01, 3), st.integers(1, 9))
def test_an_isotropic_quadratic_rises_by_its_closed_form_on_the_sphere(
    curvature: float, radius: float, d: int
) -> None:
    found = noise_rise(
        lambda x: x.square().sum(1) * curvature / 2,
        torch.ones(2, d, dtype=torch.float64),
        [radius],
        kind="sphere",
        draws=4,
    )
    expected = torch.full((2, 1), radius**2 * curvature * d / (2 * d), dtype=torch.float64)
    torch.testing.assert_close(found.mean, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("kind", ["gaussian", "sphere"])
def test_intervals_cover_the_closed_form_95_times_in_100(kind: str) -> None:
    n, d, radius = 1000, 24, 0.7
    matrix, _, loss = quadratics(1, d)
    images = torch.rand(1, d, dtype=torch.float64).expand(n, d)
    found = noise_rise(lambda x: loss(x.reshape(-1, 1, d)), images, [radius], kind=kind, draws=64)
    expected = radius**2 * matrix.diagonal(dim1=1, dim2=2).sum() / (2 * d)
    width = stats.t.ppf(0.975, found.pairs - 1) * found.standard_error
    covered = ((found.mean - expected).abs() <= width).double().mean()
    assert 0.93 <= covered <= 0.97
    overall = found.mean.mean() - expected
    assert overall.abs() < 4 * found.mean.std() / math.sqrt(n)


def test_every_example_has_its_own_quadratic() -> None:
    n, d, radius = 6, 10, 0.5
    matrix, _, loss = quadratics(n, d)
    found = noise_rise(loss, torch.zeros(n, d, dtype=torch.float64), [radius], draws=4000)
    expected = radius**2 * matrix.diagonal(dim1=1, dim2=2).sum(1) / (2 * d)
    assert ((found.mean[:, 0] - expected) / found.standard_error[:, 0]).abs().max() < 4
    assert (found.standard_error[:, 0] / expected).max() < 0.02


def test_the_moments_are_those_of_a_literal_loop_over_the_pairs() -> None:
    points: list[Tensor] = []

    def loss(x: Tensor) -> Tensor:
        points.append(x.clone())
        return x.pow(4).sum(1)

    images = torch.rand(3, 5, dtype=torch.float64)
    found = antithetic_moments(loss, images, [0.3], draws=10, batch_size=3)
    drawn = torch.stack(points[1:]).reshape(5, 2, 3, 5)
    torch.testing.assert_close(drawn.mean(1), images.expand(5, 3, 5))
    value = drawn.pow(4).sum(3) - images.pow(4).sum(1)
    pairs = value.mean(1)
    torch.testing.assert_close(found.mean[:, 0, 0], pairs.mean(0))
    torch.testing.assert_close(found.standard_error[:, 0, 0], pairs.std(0) / math.sqrt(5))
    torch.testing.assert_close(found.first[:, 0, 0], value[:, 0].mean(0))


@pytest.mark.parametrize("kind", ["gaussian", "sphere"])
def test_noise_is_as_long_as_the_radius_says_and_shared_between_radii(kind: str) -> None:
    seen: list[Tensor] = []

    def loss(x: Tensor) -> Tensor:
        seen.append(x.clone())
        return x.sum(1)

    images = torch.zeros(2, 5000, dtype=torch.float64)
    noise_rise(loss, images, [1.0, 2.5], kind=kind, draws=4, batch_size=99)
    small, large = seen[1], seen[2]
    torch.testing.assert_close(large, 2.5 * small)
    lengths = small.norm(dim=1)
    assert (lengths - 1).abs().max() < (1e-12 if kind == "sphere" else 0.05)
    assert not torch.equal(small[0], small[1])


def test_the_box_keeps_noisy_images_inside() -> None:
    def loss(x: Tensor) -> Tensor:
        assert x.min() >= 0
        assert x.max() <= 1
        return x.square().sum(1)

    noise_rise(loss, torch.rand(2, 5), [3.0], box=(0, 1))


def test_numbers_belong_to_ids_and_global_randomness_is_untouched() -> None:
    images = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    loss = Loss(
        nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).requires_grad_(False), torch.arange(4) % 3
    )
    before = torch.get_rng_state()
    found = noise_rise(loss, images, [1.0], ids=["a", "b", "c", "d"])
    assert torch.equal(before, torch.get_rng_state())
    order = torch.tensor([2, 0])
    again = noise_rise(loss.select(order), images[order], [1.0], ids=["c", "a"])
    torch.testing.assert_close(again.mean, found.mean[order], rtol=1e-4, atol=1e-7)
    other = noise_rise(loss, images, [1.0], ids=["a", "b", "c", "e"]).mean
    assert other[3] != found.mean[3]
    assert noise_rise(loss, images, [1.0], ids=["a", "b", "c", "d"], seed=1).mean[0] != other[0]


def test_a_rise_far_below_the_loss_keeps_its_digits() -> None:
    images = torch.zeros(1, 8, dtype=torch.float64)
    flat = noise_rise(lambda x: x.square().sum(1), images, [1e-3], kind="sphere").mean
    high = noise_rise(lambda x: x.square().sum(1) + 1e3, images, [1e-3], kind="sphere")
    torch.testing.assert_close(high.mean, flat, rtol=1e-6, atol=0)
    assert high.standard_error.max() < 1e-12


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"draws": 5}, "--draws: expected an even number"),
        ({"draws": 2}, "--draws: expected an even number"),
        ({"kind": "gausian"}, "did you mean 'gaussian'"),
        ({"radii": [-1.0]}, "--radii"),
        ({"ids": ["a", "b"]}, "ids: expected one per example"),
        ({"batch_size": 0}, "--batch_size"),
    ],
)
def test_bad_input_is_one_sentence(changed: dict, message: str) -> None:
    arguments = {"radii": [1.0], **changed}
    with pytest.raises(InputError, match=message):
        noise_rise(lambda x: x.sum(1), torch.zeros(1, 3), **arguments)
