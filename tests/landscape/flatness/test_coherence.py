from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from landscape.flatness.coherence import gradient_coherence
from landscape.loss import Loss

RADII = [0.1, 1.0, 10.0]


def test_of_a_linear_loss_it_is_one_without_an_error() -> None:
    weights = torch.randn(12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    images = torch.rand(3, 3, 2, 2, dtype=torch.float64)
    found = gradient_coherence(lambda x: x.flatten(1) @ weights, images, RADII, draws=8)
    torch.testing.assert_close(found.mean, torch.ones(3, 3).double())
    assert found.standard_error.max() < 1e-12


def test_a_linear_softmax_has_one_direction_of_steepest_ascent() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).double().requires_grad_(False)
    images = torch.rand(4, 3, 2, 2, dtype=torch.float64)
    found = gradient_coherence(Loss(net, torch.tensor([0, 1, 0, 1])), images, RADII, draws=8)
    torch.testing.assert_close(found.mean, torch.ones(4, 3).double())


def test_of_a_round_bowl_it_is_the_cosine_of_the_noise_with_the_centre() -> None:
    """At x = (a, 0), the gradient at x + e is x + e: the mean cosine is known by integration."""
    images = torch.tensor([[1.5, 0.0]], dtype=torch.float64).repeat(40, 1)
    sigma = 1.0
    found = gradient_coherence(
        lambda x: x.square().sum(1) / 2, images, [sigma * 2**0.5], draws=2000
    )
    grid = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    e0, e1 = torch.meshgrid(grid, grid, indexing="ij")
    density = torch.exp(-(e0**2 + e1**2) / (2 * sigma**2))
    cosine = (1.5 + e0) / ((1.5 + e0) ** 2 + e1**2).sqrt().clamp_min(1e-12)
    expected = float((density * cosine).sum() / density.sum())
    z = (found.mean[:, 0] - expected) / found.standard_error[:, 0]
    assert z.abs().max() < 4.5
    assert 0.6 < z.std() < 1.5, "the standard error is not that of the estimate"


def test_at_an_infinitely_sharp_kink_it_is_the_chance_to_stay_minus_that_to_leave() -> None:
    images = torch.full((50, 1), 0.3, dtype=torch.float64)
    found = gradient_coherence(lambda x: x.abs().sum(1), images, [0.5], draws=400)
    stay = (1 + math.erf(0.3 / 0.5 / math.sqrt(2))) / 2
    assert abs(float(found.mean.mean()) - (2 * stay - 1)) < 0.02


def test_a_gradient_of_zero_is_coherent_with_none() -> None:
    found = gradient_coherence(lambda x: 0 * x.sum(1), torch.zeros(2, 3), [1.0], draws=4)
    assert found.mean.eq(0).all()


def test_scaling_the_loss_changes_nothing() -> None:
    def waves(x: Tensor) -> Tensor:
        return (3 * x).sin().sum(1)

    images = torch.rand(3, 5, generator=torch.Generator().manual_seed(1))
    large = gradient_coherence(waves, images, RADII, draws=8).mean
    tiny = gradient_coherence(lambda x: 1e-28 * waves(x), images, RADII, draws=8).mean
    torch.testing.assert_close(tiny, large, rtol=1e-4, atol=1e-4)
    assert (large[:, 0] > 0.5).all()


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match="--draws"):
        gradient_coherence(lambda x: x.sum(1), torch.zeros(1, 2), [1.0], draws=3)
    with pytest.raises(InputError, match="--radii"):
        gradient_coherence(lambda x: x.sum(1), torch.zeros(1, 2), [])
