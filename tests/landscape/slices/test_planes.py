"""Planes: their geometry, the anchors, known landscapes on them, and their part of the box."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from landscape import Loss, slices
from landscape.slices.boxes import box_outline
from landscape.slices.planes import extent_of


def three(seed: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    drawn = torch.rand(3, 4, 2, 5, 5, generator=torch.Generator().manual_seed(seed))
    return list(drawn.to(dtype))


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_coordinates_of_three_anchors_reproduce_the_images(dtype, close):
    images = three(0, dtype)
    plane = slices.through(*images)
    for image in images:
        at = plane.coordinates(image)
        torch.testing.assert_close(plane.points(at.unsqueeze(1))[:, 0], image, atol=close, rtol=0)
        assert plane.distance(image).max() < close


def test_coordinates_are_distances():
    images = three(1)
    plane = slices.through(*images)
    places = [plane.coordinates(image) for image in images]
    for i in range(3):
        for k in range(3):
            torch.testing.assert_close(
                (places[i] - places[k]).norm(dim=1), (images[i] - images[k]).flatten(1).norm(dim=1)
            )
    assert (places[1][:, 1].abs() < 1e-12).all()
    assert (places[2][:, 1] > 0).all()


def test_distance_from_a_plane_is_what_is_left_beside_it():
    images = three(2)
    plane = slices.through(*images)
    away = slices.random_directions(images[0], 1)[:, 0]
    basis = torch.cat([plane.axes, away.unsqueeze(1)], 1)
    normal = slices.orthonormal(basis)[:, 2]
    torch.testing.assert_close(
        plane.distance(images[1] + 0.3 * normal), torch.full((4,), 0.3).double()
    )


def test_images_on_a_line_have_no_plane():
    x = torch.zeros(1, 3)
    with pytest.raises(InputError, match="three of them lie on a line"):
        slices.through(x, x + 1, x + 2)


def test_axes_must_be_orthonormal():
    x = torch.zeros(1, 2)
    with pytest.raises(InputError, match="orthonormal"):
        slices.plane(lambda p: p.sum(1), x, torch.tensor([[[1.0, 0.0], [1.0, 1.0]]]), 1.0)
    with pytest.raises(InputError, match="axes: expected shape"):
        slices.Plane(x, torch.eye(2))


def test_a_linear_landscape_is_a_linear_function_of_the_coordinates():
    images = three(3)
    weights = torch.randn(50, generator=torch.Generator().manual_seed(0)).double()

    def linear(x):
        return x.flatten(1) @ weights

    found = slices.three_inputs(linear, *images, points=7, room=0.2)
    slopes = found.plane.axes.flatten(2) @ weights
    expected = (
        (images[0].flatten(1) @ weights)[:, None, None]
        + slopes[:, 0, None, None] * found.a[:, None, :]
        + slopes[:, 1, None, None] * found.b[:, :, None]
    )
    torch.testing.assert_close(found.seen.loss, expected)


def test_a_quadratic_landscape_is_that_quadratic_in_the_plane():
    x = three(4)[0]

    def bowl(points):
        return points.flatten(1).square().sum(1)

    axes = slices.random_directions(x, 2)
    found = slices.plane(bowl, x, axes, (-1.0, 2.0, 0.0, 4.0), points=(5, 3))
    assert found.seen.loss.shape == (4, 3, 5)
    at = found.plane.coordinates(torch.zeros_like(x))  # the middle of the bowl
    square = (found.a[:, None, :] - at[:, 0, None, None]).square() + (
        found.b[:, :, None] - at[:, 1, None, None]
    ).square()
    below = found.plane.distance(torch.zeros_like(x)).square()
    torch.testing.assert_close(found.seen.loss, square + below[:, None, None])


def test_shares_of_label_regions_are_those_of_the_half_planes():
    loss = Loss(torch.nn.Flatten(), torch.tensor([0]))
    x = torch.tensor([[0.75, 0.25]])
    found = slices.plane(loss, x, torch.eye(2)[None], (-1.0, 1.0, -1.0, 1.0), points=401)
    # Class 0 where 0.75 + a > 0.25 + b: all but a triangle with legs of 1.5.
    assert found.seen.kept.double().mean().item() == pytest.approx(1 - 1.5**2 / 2 / 4, abs=3e-3)


def test_anchors_are_inside_the_window_and_the_middle_is_a_grid_point():
    images = three(5)
    found = slices.three_inputs(lambda p: p.flatten(1).sum(1), *images, room=0.1, points=9)
    assert list(found.anchors) == ["genuine", "adversarial", "other"]
    for at in found.anchors.values():
        assert ((found.a[:, 0] <= at[:, 0]) & (at[:, 0] <= found.a[:, -1])).all()
        assert ((found.b[:, 0] <= at[:, 1]) & (at[:, 1] <= found.b[:, -1])).all()
    side = found.a[:, -1] - found.a[:, 0]
    torch.testing.assert_close(side, found.b[:, -1] - found.b[:, 0])
    square = slices.plane(
        lambda p: p.flatten(1).sum(1), images[0], slices.random_directions(images[0], 2), 0.3,
        points=5,
    )  # fmt: skip
    assert (square.a[:, 2] == 0).all()


@pytest.mark.parametrize("extent", [0.0, -1.0, float("nan"), (0.0, 0.0, 0.0, 1.0), (1.0, 2.0)])
def test_an_extent_without_area_is_refused(extent):
    with pytest.raises(InputError, match="--radius"):
        extent_of(extent, 3)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_outline_of_the_box_holds_the_points_that_are_inside_and_no_others(seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(1, 6, generator=generator).double()
    axes = slices.orthonormal(torch.randn(1, 2, 6, generator=generator).double())
    ends = torch.tensor([-1.0, 1.0, -0.8, 0.6])
    corners = box_outline(x[0], axes[0], ends)
    assert len(corners) >= 3  # the origin is inside
    found = slices.plane(lambda p: p.sum(1), x, axes, ends, points=21)
    a, b = torch.meshgrid(found.a[0], found.b[0], indexing="xy")
    following = corners.roll(-1, 0)
    edge = following - corners
    cross = edge[:, 0, None, None] * (b - corners[:, 1, None, None]) - edge[:, 1, None, None] * (
        a - corners[:, 0, None, None]
    )
    clear = (cross.abs() > 1e-5).all(0)
    within = (cross > 0).all(0)
    assert torch.equal(within[clear], found.seen.inside[0][clear])


def test_a_plane_beside_the_box_has_no_outline():
    x = torch.full((3,), 2.0)
    assert len(box_outline(x, torch.eye(3)[:2], torch.tensor([-1.0, 1.0, -1.0, 1.0]))) == 0
