from __future__ import annotations

import pytest
import torch

from attacks.norms import lengths
from attacks.spheres import leaned, slope

NORMS = pytest.mark.parametrize("norm", ["l2", "linf"])


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@NORMS
def test_from_no_step_it_is_the_step_of_that_length_that_rises_most(norm):
    images = (0.5 + drawn(6, 12)).clamp(0, 1)
    gradients = drawn(6, 12, seed=1)
    radii = torch.full((6,), 0.3, dtype=torch.float64)
    step = leaned(images, torch.zeros_like(images), gradients, radii + 2, radii, norm)
    assert lengths(step, norm).tolist() == pytest.approx([0.3] * 6)
    assert ((images + step >= 0) & (images + step <= 1 + 1e-12)).all()
    assert ((images == 0) | (images == 1)).any()
    rise = (gradients * step).sum(1)
    for seed in range(200):
        other = leaned(
            images, torch.zeros_like(images), drawn(6, 12, seed=seed), radii + 2, radii, norm
        )
        assert (rise >= (gradients * other).sum(1) - 1e-12).all()


@NORMS
def test_a_leaning_step_keeps_its_length_and_turns_towards_the_gradient(norm):
    images = 0.5 + 0.1 * drawn(6, 12).clamp(-3, 3)
    radii = torch.full((6,), 0.1, dtype=torch.float64)
    taken = leaned(images, torch.zeros_like(images), drawn(6, 12, seed=1), radii + 2, radii, norm)
    gradients, shares = drawn(6, 12, seed=2), torch.full_like(radii, 0.3)
    step = leaned(images, taken, gradients, shares, radii, norm)
    assert lengths(step, norm).tolist() == pytest.approx([0.1] * 6)
    assert ((gradients * step).sum(1) > (gradients * taken).sum(1)).all()


@NORMS
def test_the_slope_is_the_rise_as_the_radius_grows_box_included(norm):
    images = (0.5 + drawn(6, 40)).clamp(0, 1)
    direction = drawn(6, 40, seed=1)
    radii = torch.full((6,), 0.4, dtype=torch.float64)
    none, twice = torch.zeros_like(images), radii + 2
    now, later = (
        leaned(images, none, direction, twice, radii + more, norm) for more in (0.0, 1e-7)
    )
    assert (now.abs() == torch.where(now < 0, images, 1 - images)).any()
    rise = (direction * (later - now)).sum(1) / 1e-7
    torch.testing.assert_close(slope(images, now, direction, norm), rise, rtol=1e-5, atol=0)
