from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor

from landscape.balls import Ball

BOX = (0.0, 1.0)


def case(seed: int, d: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(3, d, generator=generator, dtype=dtype)
    centre[:, 0] = 0.0
    return centre, torch.randn(3, d, generator=generator, dtype=dtype)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 30),
    st.floats(1e-3, 10),
    st.sampled_from(["linf", "l2"]),
    st.sampled_from([None, BOX]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_points_lie_in_the_ball_and_the_box(
    seed: int, d: int, radius: float, norm: str, box: tuple | None, dtype: torch.dtype
) -> None:
    centre, direction = case(seed, d, dtype)
    direction[0, 0] = 0
    ball = Ball(centre, norm, radius, box)
    for found in (ball.nearest(centre + direction), ball.farthest(direction)):
        step = (found - centre).double()
        length = step.abs().amax(1) if norm == "linf" else step.norm(dim=1)
        assert (length <= radius * (1 + 1e-5) + 1e-7).all()
        if box:
            assert found.min() >= 0
            assert found.max() <= 1


@pytest.mark.parametrize("radius", [0.05, 0.5, 1.0, 9.0])
def test_points_in_the_box_are_those_of_a_general_optimiser(radius: float) -> None:
    centre, direction = case(3, 5)
    ball = Ball(centre, "l2", radius, BOX)
    near, far = ball.nearest(centre + direction), ball.farthest(direction)
    for i in range(3):
        start, aim = centre[i].numpy(), direction[i].numpy()
        inside = {"type": "ineq", "fun": lambda x, s=start: radius**2 - ((x - s) ** 2).sum()}
        options = {"bounds": [BOX] * 5, "constraints": inside, "method": "SLSQP",
                   "options": {"ftol": 1e-14, "maxiter": 500}}  # fmt: skip
        nearest = minimize(lambda x, s=start, a=aim: ((x - s - a) ** 2).sum(), start, **options)
        assert torch.allclose(near[i], torch.from_numpy(nearest.x), atol=2e-5)
        reach = minimize(lambda x, a=aim: -(x @ a), start, **options)
        assert float(far[i] @ direction[i]) >= -reach.fun - 1e-7


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_steepest_step_has_norm_one_however_small_the_gradient(norm: str) -> None:
    gradient = torch.tensor([[3e-30, -4e-30], [0.0, 0.0]])
    step = Ball(torch.zeros(2, 2), norm, 1.0).steepest(gradient)
    expected = torch.tensor([[1.0, -1.0] if norm == "linf" else [0.6, -0.8], [0.0, 0.0]])
    torch.testing.assert_close(step, expected)


def test_points_inside_stay_where_they_are() -> None:
    centre, direction = case(1, 6)
    inside = centre + 1e-3 * direction.abs() * (centre < 0.9)
    for norm in ("linf", "l2"):
        assert torch.equal(Ball(centre, norm, 2.0, BOX).nearest(inside), inside)
