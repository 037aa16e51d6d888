from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from core.errors import InputError
from landscape.flatness.worst_case import worst_case_rise
from landscape.loss import Loss, value_and_gradient


def trust_region_maximum(matrix: Tensor, slope: Tensor, radius: float) -> float:
    """Maximum of `d' A d / 2 + b' d` in an l2 ball, A >= 0, by its secular equation."""
    values, columns = torch.linalg.eigh(matrix)
    along = columns.T @ slope
    low, high = values[-1], values[-1] + slope.norm() / radius
    for _ in range(200):
        middle = (low + high) / 2
        if (along / (middle - values)).norm() > radius:
            low = middle
        else:
            high = middle
    step = columns @ (along / (high - values))
    return float(step @ matrix @ step / 2 + slope @ step)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["linf", "l2"]), st.floats(1e-3, 5))
def test_a_linear_loss_rises_by_the_radius_times_the_dual_norm(
    seed: int, norm: str, radius: float
) -> None:
    weights = torch.randn(12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    images = torch.rand(2, 3, 2, 2, dtype=torch.float64)
    radii = [radius / 2, radius]
    found = worst_case_rise(lambda x: x.flatten(1) @ weights, images, radii, norm=norm, steps=2)
    dual = weights.abs().sum() if norm == "linf" else weights.norm()
    expected = (dual * torch.tensor(radii, dtype=torch.float64)).expand(2, 2)
    torch.testing.assert_close(found.rise, expected)


@pytest.mark.parametrize(("steps", "within"), [(20, 0.01), (60, 1e-3)])
def test_a_convex_quadratic_in_an_l2_ball_reaches_the_trust_region_maximum(
    steps: int, within: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    n, d, radii = 12, 15, [0.1, 0.5, 1.0, 3.0]
    turn = torch.linalg.qr(torch.randn(n, d, d, generator=generator, dtype=torch.float64))[0]
    values = 0.5 ** torch.arange(d, dtype=torch.float64)
    matrix = turn * values @ turn.transpose(1, 2)
    slope = 0.2 * torch.randn(n, d, generator=generator, dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        return torch.einsum("ni,nij,nj->n", x, matrix, x) / 2 + (x * slope).sum(1)

    images = torch.zeros(n, d, dtype=torch.float64)
    found = worst_case_rise(loss, images, radii, norm="l2", steps=steps).rise
    expected = torch.tensor(
        [[trust_region_maximum(matrix[i], slope[i], r) for r in radii] for i in range(n)],
        dtype=torch.float64,
    )
    assert (found <= expected * (1 + 1e-9)).all()
    assert (1 - found / expected).max() < within


def test_a_separable_convex_loss_in_a_linf_ball_reaches_its_best_corner() -> None:
    centre = torch.linspace(-1, 1, 9, dtype=torch.float64) + 0.01
    images = torch.zeros(1, 9, dtype=torch.float64)
    rise = worst_case_rise(lambda x: (x - centre).square().sum(1), images, [0.5, 2.0]).rise
    expected = [float((r + centre.abs()).square().sum() - centre.square().sum()) for r in (0.5, 2)]
    torch.testing.assert_close(rise, torch.tensor([expected], dtype=torch.float64))


def waves(x: Tensor) -> Tensor:
    return (7 * x.flatten(1)).sin().prod(1) + x.flatten(1).square().sum(1) * -0.3


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(0, 2), min_size=1, max_size=5),
    st.sampled_from(["linf", "l2"]),
    st.sampled_from([None, (0.0, 1.0)]),
    st.integers(1, 2),
)
def test_the_rise_never_falls_with_the_radius_and_is_never_negative(
    radii: list[float], norm: str, box: tuple | None, restarts: int
) -> None:
    images = torch.rand(3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = worst_case_rise(
        waves, images, radii, norm=norm, steps=3, box=box, restarts=restarts
    ).rise
    sorted_ = found[:, torch.tensor(radii).argsort(stable=True)]
    assert (sorted_.diff(dim=1) >= 0).all()
    assert (found >= 0).all()
    assert found[:, torch.tensor(radii) == 0].eq(0).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("restarts", [1, 3])
def test_every_point_lies_in_ball_and_box_and_every_pass_is_counted(
    norm: str, restarts: int
) -> None:
    images = torch.rand(3, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    seen: list[Tensor] = []

    def loss(x: Tensor) -> Tensor:
        seen.append(x.detach().clone())
        return waves(x)

    found = worst_case_rise(
        loss, images, [0.1, 0.0, 0.4], norm=norm, steps=5, restarts=restarts, box=(0.0, 1.0)
    )
    points = torch.stack(seen)
    lengths = torch.linalg.vector_norm(points - images, 2 if norm == "l2" else torch.inf, dim=2)
    assert lengths.max() <= 0.4 * (1 + 1e-9)
    assert lengths[: 1 + 5 * restarts].max() <= 0.1 * (1 + 1e-9)
    assert points.min() >= 0
    assert points.max() <= 1
    assert found.evaluations == len(seen) == 1 + 2 * 5 * restarts
    best = torch.stack([waves(p) for p in points]).amax(0) - waves(images)
    torch.testing.assert_close(found.rise[:, 2], best.clamp_min(0))


@pytest.mark.parametrize(("norm", "radius"), [("linf", 0.1), ("l2", 0.8)])
def test_on_a_network_it_beats_projected_gradient_steps_of_fixed_length(
    norm: str, radius: float
) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.ReLU(), nn.Conv2d(12, 12, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(192, 10),
    ).requires_grad_(False)  # fmt: skip
    net[-1].weight *= 20
    images = torch.rand(32, 1, 8, 8)
    loss = Loss(net, net(images).argmax(1))
    found = worst_case_rise(loss, images, [radius], norm=norm, steps=20).rise[:, 0]
    step, best, points = 2.5 * radius / 20, torch.zeros(32, dtype=torch.float64), images
    centre = value_and_gradient(loss, images)[0]
    for _ in range(20):
        value, gradient = value_and_gradient(loss, points)
        best = torch.maximum(best, value - centre)
        if norm == "linf":
            move = (points + step * gradient.sign() - images).clamp(-radius, radius)
        else:
            move = points + step * gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None]
            move = move - images
            length = move.flatten(1).norm(dim=1)[:, None, None, None]
            move = move * (radius / length).clamp_max(1)
        points = images + move
    assert found.mean() > best.mean()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"norm": "l3"}, "--norm"),
        ({"steps": 1}, "steps >= 2"),
        ({"restarts": 0}, "restarts >= 1"),
        ({"box": (0.5, 1.0)}, "do not lie inside"),
        ({"radii": []}, "--radii"),
    ],
)
def test_bad_input_is_one_sentence(changed: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        worst_case_rise(waves, torch.zeros(1, 3), **{"radii": [1.0], **changed})
