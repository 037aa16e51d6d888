from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from attacks.norms import NORMS, fit, lengths, project, steepest, unit, water_level


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(n: int, d: int, seed: int, saturated: bool = True) -> torch.Tensor:
    images = torch.rand(n, d, generator=seeded(seed), dtype=torch.float64)
    if saturated:
        images = torch.where(images < 0.25, 0.0, torch.where(images > 0.75, 1.0, images))
    return images


def test_lengths_are_those_of_the_definition():
    steps = torch.tensor([[[3.0, 0.0], [-4.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    expected = {"linf": [4.0, 0.0], "l2": [5.0, 0.0], "l1": [7.0, 0.0], "l0": [2.0, 0.0]}
    assert {norm: lengths(steps, norm).tolist() for norm in NORMS} == expected
    with pytest.raises(ValueError, match="l3"):
        lengths(steps, "l3")


@given(st.integers(0, 10**6), st.floats(0.01, 3.0))
@settings(max_examples=60, deadline=None)
def test_the_water_level_solves_its_equation(seed, total):
    rates, caps = (torch.rand(1, 9, generator=seeded(seed + i)).double() for i in range(2))
    rates[0, :2], caps[0, 1:3] = 0, 0

    def excess(level: float) -> float:
        return float(torch.minimum(level * rates, caps).sum()) - total

    level = float(water_level(rates, caps, torch.tensor([total], dtype=torch.float64)))
    if excess(1e12) < 0:
        assert level == float("inf")
    else:
        assert level == pytest.approx(brentq(excess, 0, 1e13, xtol=1e-15, rtol=1e-14), rel=1e-9)


def test_the_water_level_of_nothing_is_zero():
    zero = torch.zeros(2, 3)
    assert water_level(zero, zero, torch.zeros(2)).tolist() == [0, 0]


def projected_by_bisection(point, image, radius):
    """Minimise |y - point|: y = clip((point + m image) / (1 + m)), the multiplier m bisected."""

    def at(multiplier: float) -> torch.Tensor:
        return ((point + multiplier * image) / (1 + multiplier)).clamp(0, 1)

    if (at(0) - image).norm() <= radius:
        return at(0)
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (at(middle) - image).norm() > radius else (low, middle)
    return at(high)


@given(st.integers(0, 10**6), st.floats(0.05, 2.0))
@settings(max_examples=60, deadline=None)
def test_the_l2_projection_is_the_nearest_point_of_ball_and_box(seed, radius):
    images = random_images(3, 12, seed)
    points = images + torch.randn(3, 12, generator=seeded(seed + 1)).double()
    radii = torch.full((3,), radius, dtype=torch.float64)
    ours = project(points, images, radii, "l2")
    for one, point, image in zip(ours, points, images, strict=True):
        torch.testing.assert_close(
            one, projected_by_bisection(point, image, radius), atol=1e-7, rtol=0
        )


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5, 3072), (5, 3, 64, 64)])
def test_projected_points_are_inside_ball_and_box_to_1e_6(norm, dtype, shape):
    images = torch.rand(shape, generator=seeded(0)).to(dtype)
    images[0], images[1] = 0, 1
    points = images + torch.randn(shape, generator=seeded(1)).to(dtype)
    radii = torch.tensor([0.5, 0.03, 0.4, 0.1, 1e-3], dtype=dtype)
    ours = project(points, images, radii, norm)
    assert ours.min() >= 0
    assert ours.max() <= 1
    long = lengths(ours.double() - images.double(), norm)
    assert (long <= radii.double() + 1e-6).all()
    # Where the box has room for the whole radius the ball's surface is reached.
    assert long[2:] == pytest.approx(radii[2:].double(), abs=1e-6)
    torch.testing.assert_close(project(ours, images, radii, norm), ours, atol=1e-6, rtol=0)


def test_points_inside_stay_where_they_are():
    images = random_images(4, 6, 0, saturated=False)
    points = (images + 0.01).clamp(0, 1)
    for norm in ("linf", "l2"):
        radii = torch.full((4,), 0.1, dtype=torch.float64)
        torch.testing.assert_close(project(points, images, radii, norm), points)


def test_a_fitted_step_has_its_length_or_ends_in_the_corner():
    images = random_images(50, 20, 3)
    directions = torch.randn(50, 20, generator=seeded(4)).double()
    corner = torch.where(directions < 0, images, 1 - images).norm(dim=1)
    radii = torch.linspace(0.1, 4, 50, dtype=torch.float64)
    steps = fit(images, directions, radii)
    assert ((images + steps).abs() <= 1 + 1e-12).all()
    torch.testing.assert_close(lengths(steps, "l2"), torch.minimum(radii, corner))
    free = (steps.abs() < torch.where(directions < 0, images, 1 - images)) & (steps != 0)
    shares = torch.where(free, steps / directions, torch.nan)
    assert (shares.nan_to_num(nan=-1).amax(1) - shares.nan_to_num(nan=9e9).amin(1) < 1e-9).all()


def test_zero_and_tiny_directions_do_no_harm():
    images = torch.full((3, 4), 0.5)
    directions = torch.tensor([[0.0] * 4, [1e-38, 0, 0, 0], [1e-38] * 4])
    expected = torch.tensor([[0.0] * 4, [1.0, 0, 0, 0], [0.5] * 4])
    torch.testing.assert_close(unit(directions), expected)
    radii = torch.full((3,), 0.25)
    torch.testing.assert_close(fit(images, directions, radii), 0.25 * expected)
    torch.testing.assert_close(steepest(directions, "linf"), directions.sign())
