from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize

from attacks.norms import (
    NORMS,
    fit,
    lengths,
    project,
    sparse_steps,
    steepest,
    unit,
    water_level,
)


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


def l1_projected_by_bisection(point, image, radius):
    """Minimise |y - point|: each component moves back by the multiplier of the ball, bisected."""

    def at(multiplier: float) -> torch.Tensor:
        step = point - image
        shorter = step.sign() * (step.abs() - multiplier).clamp_min(0)
        return (image + shorter).clamp(0, 1)

    if (at(0) - image).abs().sum() <= radius:
        return at(0)
    low, high = 0.0, float((point - image).abs().max())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (at(middle) - image).abs().sum() > radius else (low, middle)
    return at(high)


@given(st.integers(0, 10**6), st.floats(0.01, 5.0), st.sampled_from([0.1, 1.0, 30.0]))
@settings(max_examples=60, deadline=None)
def test_the_l1_projection_is_the_nearest_point_of_ball_and_box(seed, radius, far):
    images = random_images(3, 12, seed)
    points = images + far * torch.randn(3, 12, generator=seeded(seed + 1)).double()
    radii = torch.full((3,), radius, dtype=torch.float64)
    ours = project(points, images, radii, "l1")
    for one, point, image in zip(ours, points, images, strict=True):
        torch.testing.assert_close(
            one, l1_projected_by_bisection(point, image, radius), atol=1e-9, rtol=0
        )


def test_the_l1_projection_solves_the_quadratic_programme():
    images, points = random_images(6, 5, 2), torch.randn(6, 5, generator=seeded(3)).double()
    ours = project(points, images, torch.full((6,), 0.6, dtype=torch.float64), "l1")
    for one, point, image in zip(ours.numpy(), points.numpy(), images.numpy(), strict=True):
        # The step as up - down, both not negative, makes the ball linear.
        found = minimize(
            lambda s, image=image, point=point: ((image + s[:5] - s[5:] - point) ** 2).sum(),
            np.zeros(10),
            bounds=[(0, 1 - x) for x in image] + [(0, x) for x in image],
            constraints={"type": "ineq", "fun": lambda s: 0.6 - s.sum()},
            options={"maxiter": 500, "ftol": 1e-14},
        )
        assert one == pytest.approx(image + found.x[:5] - found.x[5:], abs=1e-5)


@given(st.integers(0, 10**6), st.floats(0.001, 4.0))
@settings(max_examples=60, deadline=None)
def test_a_sparse_step_is_the_best_l1_step_inside_the_box(seed, reach):
    images, gradients = random_images(1, 9, seed), torch.randn(1, 9, generator=seeded(seed + 1))
    step = sparse_steps(images, gradients.double(), torch.tensor([reach], dtype=torch.float64))
    left, best = reach, 0.0
    for i in gradients[0].abs().argsort(descending=True).tolist():
        room = float(1 - images[0, i] if gradients[0, i] > 0 else images[0, i])
        moved = min(room, left)
        left, best = left - moved, best + moved * abs(float(gradients[0, i]))
    assert ((images + step).clamp(0, 1) - images - step).abs().max() < 1e-12
    assert float(lengths(step, "l1")) <= reach + 1e-12
    assert float((step * gradients).sum()) == pytest.approx(best, abs=1e-9)


def test_a_sparse_step_of_a_photograph_is_spread_over_a_hundredth_of_it():
    gradients = torch.randn(2, 3, 20, 20, generator=seeded(0))
    steps = sparse_steps(torch.full_like(gradients, 0.5), gradients, torch.tensor([1.0, 2.0]))
    assert lengths(steps, "l0").tolist() == [12, 12]
    assert lengths(steps, "l1") == pytest.approx([1, 2])
    weakest = torch.where(steps != 0, gradients.abs(), torch.inf).flatten(1).amin(1)
    assert ((gradients.abs() > weakest[:, None, None, None]) <= (steps != 0)).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
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
    assert long[2:] == pytest.approx(radii[2:].double(), abs=1e-6 if norm != "l1" else 5e-5)
    torch.testing.assert_close(project(ours, images, radii, norm), ours, atol=1e-6, rtol=0)


def test_l1_points_of_a_photograph_are_inside_the_ball_to_1e_6_in_float32():
    images = torch.rand(8, 3, 224, 224, generator=seeded(0))
    points = images + 0.01 * torch.randn(8, 3, 224, 224, generator=seeded(1))
    radii = torch.tensor([0.01, 0.1, 1, 3, 12, 30, 100, 255])
    ours = project(points, images, radii, "l1")
    long = lengths(ours.double() - images.double(), "l1")
    assert (long <= radii.double() + 1e-6).all()
    assert (long >= 0.999 * radii.double() - 1e-3).all()


def test_points_inside_stay_where_they_are():
    images = random_images(4, 6, 0, saturated=False)
    points = (images + 0.01).clamp(0, 1)
    for norm in ("linf", "l2", "l1"):
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
