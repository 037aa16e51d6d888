from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.errors import InputError
from landscape.flatness.cure import gradient_change


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000), st.floats(1e-3, 10), st.sampled_from(["sign", "gradient"])
)  # fmt: skip
def test_of_a_quadratic_it_is_the_hessian_times_the_direction(
    seed: int, step: float, direction: str
) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    hessian = matrix + matrix.T
    images = torch.randn(4, 1, 2, 3, generator=generator, dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        rows = x.flatten(1)
        return (rows @ hessian * rows).sum(1) / 2

    gradient = images.flatten(1) @ hessian
    along = gradient.sign() if direction == "sign" else gradient
    along = along / along.norm(dim=1, keepdim=True)
    found = gradient_change(loss, images, step, direction=direction)
    torch.testing.assert_close(found, (along @ hessian).norm(dim=1), rtol=1e-8, atol=1e-8)


def test_the_step_has_the_length_asked_for_and_moves_every_pixel_alike() -> None:
    seen: list[Tensor] = []

    def loss(x: Tensor) -> Tensor:
        seen.append(x.detach().clone())
        return x.flatten(1) @ torch.tensor([1.0, -2.0, 0.0, 5.0]).double()

    images = torch.rand(3, 2, 2, dtype=torch.float64)
    gradient_change(loss, images, 0.6)
    moved = (seen[1] - seen[0]).flatten(1)
    expected = 0.6 / 3**0.5 * torch.tensor([1.0, -1.0, 0.0, 1.0]).double()
    torch.testing.assert_close(moved, expected.expand(3, 4))


def test_a_kink_within_the_step_is_seen_and_one_beyond_it_is_not() -> None:
    def hinge(x: Tensor) -> Tensor:
        return 2 * (x[:, 0] - 1).clamp_min(0) + x[:, 0]

    images = torch.zeros(1, 2, dtype=torch.float64)
    assert gradient_change(hinge, images, 0.9).item() == 0
    assert gradient_change(hinge, images, 2.0).item() == pytest.approx(2 / 2.0)


def test_where_the_gradient_is_zero_there_is_no_step() -> None:
    found = gradient_change(lambda x: x.square().sum(1), torch.zeros(2, 3), 1.0)
    assert found.tolist() == [0, 0]


def test_tiny_gradients_keep_their_direction() -> None:
    weights = torch.tensor([1.0, 3.0])
    for direction in ("sign", "gradient"):
        large, tiny = (
            gradient_change(
                lambda x, s=scale: s * (x.square() @ weights), torch.ones(1, 2), 0.5,
                direction=direction,
            )
            for scale in (1.0, 1e-30)
        )  # fmt: skip
        torch.testing.assert_close(tiny * 1e30, large, rtol=1e-5, atol=0)


def test_bad_input_is_one_sentence() -> None:
    for changed, message in (
        ({"step": 0.0}, "--curvature_step"),
        ({"step": float("nan")}, "--curvature_step"),
        ({"direction": "random"}, "--direction"),
    ):
        with pytest.raises(InputError, match=message):
            gradient_change(lambda x: x.sum(1), torch.zeros(1, 2), **{"step": 1.0, **changed})
