from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from landscape.connectivity.barrier import barrier
from landscape.connectivity.bypass import bypass
from landscape.connectivity.search import AIM
from landscape.push import LONGEST, smoothed

THRESHOLD = 0.1


def ends(size: int = 4) -> tuple[Tensor, Tensor]:
    """A pair that differs in the left half of the image only."""
    first = torch.full((1, 1, size, size), 0.5, dtype=torch.float64)
    second = first.clone()
    first[..., : size // 2], second[..., : size // 2] = 0.1, 0.9
    return first, second


def ridge(slope: Tensor) -> object:
    """A wall across the middle of the chord that falls linearly along `slope`."""

    def loss(x: Tensor) -> Tensor:
        along = (x[..., :2].flatten(1).mean(1) - 0.5) / 0.4  # -1 to 1 along the chord
        return (1 - along.abs()) - ((x - 0.5) * slope).flatten(1).sum(1)

    return loss


def slope_off_the_chord() -> Tensor:
    slope = torch.zeros(4, 4, dtype=torch.float64)
    slope[:, 2:] = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).double()
    return slope


def test_the_midpoint_of_the_largest_loss_is_pushed_off_the_chord_by_the_shortest_way() -> None:
    slope = slope_off_the_chord()
    path = bypass(ridge(slope), *ends(), threshold=THRESHOLD)
    fall = 1 - AIM * THRESHOLD
    shortest = fall / slope.norm()
    found = barrier(ridge(slope), path)
    length = 0.8 * 8**0.5
    # On a linear ridge a step that is not cut is exact, and none follows.
    assert int(path.gradients) == math.ceil(float(shortest) / length / LONGEST)
    assert float(found.barrier) < THRESHOLD
    assert float(found.deviation) == pytest.approx(float(shortest) / length, rel=1e-6)
    middle = path.points(torch.tensor([0.5]))[0, 0, 0]
    step = middle - 0.5
    torch.testing.assert_close(step, fall / slope.square().sum() * slope, atol=1e-6, rtol=0)


def test_with_a_total_variation_term_the_push_is_smoother_and_longer() -> None:
    slope = slope_off_the_chord()

    def step_of(variation: float) -> Tensor:
        path = bypass(ridge(slope), *ends(), threshold=THRESHOLD, variation=variation)
        return path.points(torch.tensor([0.5]))[0, 0, 0] - 0.5

    def roughness(step: Tensor) -> float:
        return float(step.diff(dim=0).square().sum() + step.diff(dim=1).square().sum())

    plain, smooth = step_of(0.0), step_of(4.0)
    assert roughness(smooth) < 0.8 * roughness(plain)
    assert smooth.norm() > plain.norm()
    # Still orthogonal to the chord, and no more than a multiple of the smoothed slope otherwise.
    chord = (ends()[1] - ends()[0])[0, 0]
    assert abs(float((smooth * chord).sum())) < 1e-9
    expected = smoothed(slope[None, None], 4.0)[0, 0]
    across = smoothed(chord[None, None], 4.0)[0, 0]
    expected = expected - (expected * chord).sum() / (across * chord).sum() * across
    cosine = (expected * smooth).sum() / (expected.norm() * smooth.norm())
    assert float(cosine) == pytest.approx(1, abs=1e-6)


def test_only_the_segments_that_are_too_high_get_nodes() -> None:
    def loss(x: Tensor) -> Tensor:
        along, off = x[:, 0], x[:, 1]
        walls = sum((1 - 20 * (along - at).abs()).clamp_min(0) for at in (0.25, 0.75))
        return walls * (1 - 10 * (off - 0.5)).clamp_min(0)

    first = torch.tensor([[0.0, 0.5]], dtype=torch.float64)
    second = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    path = bypass(loss, first, second, threshold=THRESHOLD)
    assert float(barrier(loss, path).barrier) < THRESHOLD
    inner = path.nodes[0, 1:-1, 0]
    inner = inner[inner < 1]
    assert (((inner - 0.25).abs() < 0.06) | ((inner - 0.75).abs() < 0.06)).all()


def test_no_point_is_looked_at_twice() -> None:
    shown: list[Tensor] = []

    def loss(x: Tensor) -> Tensor:
        if not x.requires_grad:
            shown.extend(x)
        along, off = x[:, 0], x[:, 1]
        walls = sum((1 - 20 * (along - at).abs()).clamp_min(0) for at in (0.25, 0.6, 0.75))
        return walls * (1 - 10 * (off - 0.5)).clamp_min(0)

    first = torch.tensor([[0.0, 0.5]], dtype=torch.float64)
    path = bypass(loss, first, torch.tensor([[1.0, 0.5]], dtype=torch.float64))
    assert path.nodes.shape[1] >= 4
    points = torch.stack(shown)
    assert len(points.unique(dim=0)) == len(points) == int(path.forwards)


def test_a_wall_without_a_gate_is_given_up_after_the_budget() -> None:
    def wall(x: Tensor) -> Tensor:
        return (1 - 4 * (x[:, 0] - 0.5).abs()).clamp_min(0)

    first = torch.tensor([[0.0, 0.5]], dtype=torch.float64)
    second = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    path = bypass(wall, first, second, budget=20)
    assert int(path.gradients) == 20
    assert float(barrier(wall, path).barrier) == pytest.approx(1, abs=1e-3)
