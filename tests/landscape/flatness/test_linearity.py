from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from core.data import load_images
from core.errors import InputError
from core.models import load_classifier
from core.randomness import generators, normal
from landscape.flatness.ascent import Ascent, Point
from landscape.flatness.linearity import _Departure, linearity_gap
from landscape.flatness.worst_case import worst_case_rise
from landscape.loss import Loss, value_and_gradient


def quadratic(seed: int, n: int = 6, d: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Return Hessians `(n, d, d)` with eigenvalues of both signs that halve, slopes and images."""
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(n, d, d, generator=generator, dtype=torch.float64))[0]
    values = 3 * 0.5 ** torch.arange(d, dtype=torch.float64)
    values[1::2] *= -1
    slope = torch.randn(n, d, generator=generator, dtype=torch.float64)
    images = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return turn * values @ turn.transpose(1, 2), slope, images


@pytest.mark.parametrize("seed", range(4))
def test_of_a_quadratic_in_an_l2_ball_it_is_half_the_squared_radius_times_the_top_eigenvalue(
    seed: int,
) -> None:
    hessian, slope, images = quadratic(seed)

    def loss(x: Tensor) -> Tensor:
        return torch.einsum("ni,nij,nj->n", x, hessian, x) / 2 + (x * slope).sum(1)

    radii = [0.3, 1.0, 2.5]
    found = linearity_gap(loss, images, radii, norm="l2", steps=30, restarts=3).gap
    expected = 3 * torch.tensor(radii, dtype=torch.float64).square() / 2
    assert (found <= expected * (1 + 1e-9)).all()
    assert (found > 0.99 * expected).all()


def test_of_a_separable_quadratic_in_a_linf_ball_it_is_that_of_the_corner() -> None:
    weights = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
    images = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double()
    found = linearity_gap(lambda x: x.square() @ weights, images, [0.5, 2.0]).gap
    expected = weights.sum() * torch.tensor([0.25, 4.0], dtype=torch.float64)
    torch.testing.assert_close(found, expected.expand(5, 2))


def test_where_the_loss_has_no_slope_the_start_is_random_and_the_gap_is_found() -> None:
    weights = torch.tensor([-3.0, 1.0], dtype=torch.float64)
    images = torch.zeros(4, 2, dtype=torch.float64)
    found = linearity_gap(
        lambda x: x.square() @ weights, images, [1.0], norm="l2", steps=20, restarts=2
    ).gap
    torch.testing.assert_close(found, torch.full((4, 1), 3.0).double(), rtol=1e-3, atol=0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["linf", "l2"]), st.floats(1e-3, 5))
def test_of_a_linear_loss_it_is_zero(seed: int, norm: str, radius: float) -> None:
    weights = torch.randn(12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    images = torch.rand(2, 3, 2, 2, dtype=torch.float64)
    found = linearity_gap(lambda x: x.flatten(1) @ weights, images, [radius], norm=norm, steps=3)
    assert found.gap.abs().max() <= 1e-13 * (1 + radius * float(weights.abs().sum()))


def waves(x: Tensor) -> Tensor:
    return (7 * x.flatten(1)).sin().prod(1) + x.flatten(1).square().sum(1) * -0.3


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(0, 2), min_size=1, max_size=5),
    st.sampled_from(["linf", "l2"]),
    st.sampled_from([None, (0.0, 1.0)]),
    st.integers(1, 2),
)
def test_it_never_falls_with_the_radius_and_is_never_negative(
    radii: list[float], norm: str, box: tuple | None, restarts: int
) -> None:
    images = torch.rand(3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = linearity_gap(waves, images, radii, norm=norm, steps=3, box=box, restarts=restarts).gap
    ordered = found[:, torch.tensor(radii).argsort(stable=True)]
    assert (ordered.diff(dim=1) >= 0).all()
    assert (found >= 0).all()
    assert found[:, torch.tensor(radii) == 0].eq(0).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_is_the_largest_departure_of_all_points_tried_which_lie_in_ball_and_box(
    norm: str,
) -> None:
    images = torch.rand(3, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    seen: list[Tensor] = []

    def loss(x: Tensor) -> Tensor:
        seen.append(x.detach().clone())
        return waves(x)

    found = linearity_gap(
        loss, images, [0.1, 0.0, 0.4], norm=norm, steps=5, restarts=2, box=(0.0, 1.0)
    )
    points = torch.stack(seen)
    lengths = torch.linalg.vector_norm(points - images, 2 if norm == "l2" else torch.inf, dim=2)
    assert lengths.max() <= 0.4 * (1 + 1e-9)
    assert points.min() >= 0
    assert points.max() <= 1
    assert found.evaluations == len(seen) == 1 + 2 * 5 * 2
    value, slope = value_and_gradient(waves, images)
    departures = [(waves(p) - value - ((p - images) * slope).sum(1)).abs() for p in points]
    torch.testing.assert_close(found.gap[:, 2], torch.stack(departures).amax(0))


def test_on_a_network_the_rise_is_at_most_slope_plus_gap() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)
    ).requires_grad_(False)  # fmt: skip
    net[-1].weight *= 10
    images = torch.rand(16, 1, 8, 8)
    loss = Loss(net, net(images).argmax(1))
    radii = [0.2, 0.8]
    gap = linearity_gap(loss, images, radii, norm="l2", steps=30, restarts=2).gap
    rise = worst_case_rise(loss, images, radii, norm="l2", steps=30, restarts=2).rise
    slope = value_and_gradient(loss, images)[1].flatten(1).norm(dim=1).double()
    # Both maxima are lower bounds; with these steps the inequality of the true ones shows.
    assert (rise <= slope[:, None] * torch.tensor(radii) + 1.02 * gap + 1e-6).all()
    assert (gap > 0.01).any()


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "radii"), [("linf", [0.01, 0.05, 0.1]), ("l2", [0.05, 0.2, 0.5])])
def test_on_digits_the_gradient_is_a_better_start_than_chance(norm: str, radii: list) -> None:
    classifier, digits = load_classifier("digits_convnet"), load_images("digits")
    images, _ = digits.subset(100, seed=0).tensors(range(100))
    loss = Loss(classifier, classifier(images).argmax(1))
    found = linearity_gap(loss, images, radii, norm=norm, steps=10).gap
    centre = Point.at(loss, images)
    level = Point(images, torch.zeros_like(centre.value), torch.zeros_like(images))
    streams = generators(0, [str(i) for i in range(100)], "chance")
    chance = Ascent(norm, 20, 1, None).largest(
        _Departure(loss, centre), level, radii, streams, normal(streams, (1, 8, 8), images)
    )
    assert ((found / chance).log().mean(0) > 0.2).all()


def test_bad_input_is_one_sentence() -> None:
    for changed, message in (
        ({"norm": "l3"}, "--norm"),
        ({"steps": 1}, "steps >= 2"),
        ({"box": (0.5, 1.0)}, "do not lie inside"),
        ({"radii": []}, "--radii"),
    ):
        with pytest.raises(InputError, match=message):
            linearity_gap(waves, torch.zeros(1, 3), **{"radii": [1.0], **changed})
