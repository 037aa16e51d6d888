"""The boundary's nearest point and its curvature, where both are known: hyperplane, ball, tube."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from core.errors import InputError
from landscape.curvature import (
    Lead,
    boundary_curvature,
    boundary_curvature_along,
    nearest_boundary,
    principal_curvatures,
)

D = 12


class Ball(nn.Module):
    """Class 0 inside a ball, or a tube around some axes, class 1 outside."""

    def __init__(self, radius: float, axes: int = D) -> None:
        super().__init__()
        self.radius, self.axes = radius, axes

    def forward(self, x: Tensor) -> Tensor:
        gap = self.radius**2 - (x.flatten(1)[:, : self.axes] - 0.5).square().sum(1)
        return torch.stack([gap, torch.zeros_like(gap)], 1)


def plane(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(D, classes)).double().requires_grad_(False)


def images(n: int = 6, spread: float = 0.2) -> Tensor:
    noise = torch.rand(n, 3, 2, 2, generator=torch.Generator().manual_seed(1)).double()
    return 0.5 + spread * (noise - 0.5)


def test_of_a_linear_classifier_it_is_the_projection_onto_the_nearest_hyperplane() -> None:
    net, x = plane(), images()
    found = nearest_boundary(net, x)
    logits = net(x)
    own = logits.argmax(1)
    rows = torch.arange(len(x))
    gaps = logits[rows, own][:, None] - logits
    slopes = net[1].weight[own][:, None] - net[1].weight
    distance = gaps / slopes.norm(dim=2)
    distance[rows, own] = torch.inf
    nearest, other = distance.min(1)
    assert torch.equal(found.own, own)
    assert torch.equal(found.other, other)
    torch.testing.assert_close(found.distance, nearest, rtol=1e-3, atol=0)
    lead = Lead(net, found.own, found.other)
    assert lead(found.points).abs().max() < 1e-9
    others = net(found.points).scatter(1, torch.stack([own, other], 1), -torch.inf)
    assert (others.amax(1) < net(found.points)[rows, own]).all()


@pytest.mark.parametrize("inside", [True, False])
def test_around_a_ball_the_nearest_point_is_on_its_radius(inside: bool) -> None:
    net = Ball(0.6 if inside else 0.2)
    x = images(spread=0.3 if inside else 0.9)
    away = (x - 0.5).flatten(1).norm(dim=1)
    assert bool((away < 0.6).all() if inside else (away > 0.2).all())
    found = nearest_boundary(net, x)
    torch.testing.assert_close(found.distance, (away - net.radius).abs(), rtol=0.03, atol=1e-6)
    on = (found.points - 0.5).flatten(1).norm(dim=1)
    torch.testing.assert_close(on, torch.full_like(on, net.radius), rtol=1e-6, atol=0)


def test_the_first_change_on_the_way_counts_whatever_class_the_attack_ends_in() -> None:
    class Stripes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            first = x.flatten(1)[:, 0]
            return torch.stack([0.5 - first, 0.02 - (first - 0.55).abs(), first - 0.6], 1) * 10

    net = Stripes()
    start, end = torch.full((1, 1, 1, 2), 0.3).double(), torch.full((1, 1, 1, 2), 0.9).double()
    from landscape.curvature.boundary import _crossing

    points, other = _crossing(net, start, end)
    assert int(other) == 1
    assert net(points).topk(2).indices.sort().values.tolist() == [[0, 1]]
    assert (net(points)[0, 0] - net(points)[0, 1]).abs() < 1e-9


def test_what_has_no_boundary_in_the_box_or_is_not_finite_is_not_found() -> None:
    net, x = Ball(10.0), images(3)
    x[1] = float("nan")
    found = nearest_boundary(net, x)
    assert not found.found.any()
    assert found.points.isnan().all()
    assert torch.equal(found.own, found.other)


CASES = {
    "inside a ball": (lambda x: 4 - x.square().sum(1), -0.5, -0.5),
    "outside a ball": (lambda x: x.square().sum(1) - 4, 0.5, 0.5),
    "a hyperplane": (lambda x: 3 * x[:, 0] - 6, 0.0, 0.0),
    "inside a tube": (lambda x: 4 - x[:, :3].square().sum(1), -0.5, 0.0),
}


def on_surface(n: int = 3) -> Tensor:
    point = torch.zeros(n, D, dtype=torch.float64)
    point[:, 0] = 2.0
    return point


@pytest.mark.parametrize("name", CASES)
def test_principal_curvatures_are_those_of_the_surface(name: str) -> None:
    lead, one, another = CASES[name]
    found = principal_curvatures(lead, on_surface(), count=1, probes=64)
    torch.testing.assert_close(found.smallest[:, 0], torch.full((3,), min(one, another)).double())
    torch.testing.assert_close(found.largest[:, 0], torch.full((3,), max(one, another)).double())
    mean = (2 * one + (D - 3) * another) / (D - 1)
    gap = (found.mean - mean).abs()
    assert (gap <= 4 * found.mean_standard_error + 1e-12).all()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("radius", [1e-2, 3.0])
def test_second_differences_are_the_curvature_of_quadratic_surfaces_at_any_scale(
    name: str, radius: float
) -> None:
    lead, one, another = CASES[name]
    ways = torch.zeros(3, 3, D, dtype=torch.float64)
    ways[:, 0, 1], ways[:, 1, 5] = 7.0, 1e-9  # across the tube, and along it
    ways[:, 2, 0] = 1.0  # along the normal: no tangent part
    ways[:, :2, 0] = 3.0
    found = boundary_curvature_along(lead, on_surface(), ways, [radius])[..., 0]
    torch.testing.assert_close(found[:, 0], torch.full((3,), one).double(), rtol=1e-6, atol=1e-9)
    assert found[:, 2].isnan().all()
    ways[:, 1, 0] = 0
    found = boundary_curvature_along(lead, on_surface(), ways, [radius])[..., 0]
    torch.testing.assert_close(
        found[:, 1], torch.full((3,), another).double(), rtol=1e-6, atol=1e-9
    )


def test_the_mean_over_random_directions_is_covered_95_times_in_100() -> None:
    n, draws = 600, 16
    found = boundary_curvature(CASES["inside a tube"][0], on_surface(n), [0.3, 1.0], draws=draws)
    true = -0.5 * 2 / (D - 1)
    width = stats.t.ppf(0.975, draws - 1) * found.standard_error
    covered = ((found.mean - true).abs() <= width).double().mean(0)
    assert ((covered > 0.91) & (covered < 0.98)).all()
    assert ((found.mean.mean(0) - true).abs() < 4 * found.mean.std(0) / n**0.5).all()
    torch.testing.assert_close(found.mean[:, 0], found.mean[:, 1])  # the same directions
    square = 0.25 * 8 / ((D - 1) * (D + 1))  # E of (share of two of D - 1 coordinates) squared
    torch.testing.assert_close(found.size.square().mean(0), torch.full((2,), square).double(),
                               rtol=0.1, atol=0)  # fmt: skip


def test_a_kink_shows_at_finite_scales_and_not_below() -> None:
    # Two hyperplanes that meet at a distance of 0.5 from the point.
    lead = lambda x: 2 - x[:, 0] - (x[:, 1].abs() - 0.5).clamp_min(0)  # noqa: E731
    ways = torch.zeros(3, 1, D, dtype=torch.float64)
    ways[:, 0, 1] = 1
    found = boundary_curvature_along(lead, on_surface(), ways, [0.4, 1.0, 2.0])[:, 0]
    expected = torch.tensor([0.0, -1.0, -0.75], dtype=torch.float64).expand(3, -1)
    torch.testing.assert_close(found, expected)


def test_rows_that_are_not_finite_are_missing_and_batches_do_not_matter() -> None:
    net, x = plane(2), images(5)
    found = nearest_boundary(net, x)
    points = found.points.clone()
    points[2] = float("nan")
    lead = Lead(nn.Sequential(nn.Flatten(), Ball(0.5)), found.own, found.other)
    whole = boundary_curvature(lead, points, [0.1])
    assert torch.equal(whole.mean[:, 0].isnan(), torch.arange(5) == 2)
    for size in (1, 3):
        again = boundary_curvature(lead, points, [0.1], batch_size=size)
        torch.testing.assert_close(whole.mean, again.mean, equal_nan=True)


def test_bad_input_is_one_sentence() -> None:
    lead = CASES["a hyperplane"][0]
    with pytest.raises(InputError, match="--radii"):
        boundary_curvature(lead, on_surface(), [0.0])
    with pytest.raises(InputError, match="--draws"):
        boundary_curvature(lead, on_surface(), [0.1], draws=1)
    with pytest.raises(InputError, match="directions"):
        boundary_curvature_along(lead, on_surface(), on_surface(), [0.1])
    with pytest.raises(InputError, match="no gradient"):
        principal_curvatures(lambda x: 0 * x.sum(1), on_surface())
    with pytest.raises(InputError, match="without a target"):
        nearest_boundary(plane(), images(), recipe="minnorm(targeted=true)")
