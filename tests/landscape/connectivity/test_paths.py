from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.errors import InputError
from landscape.connectivity.paths import Paths, bernstein, straight_line


def paths_of(nodes: Tensor, curve: str = "polyline") -> Paths:
    none = torch.zeros(len(nodes), dtype=torch.int64)
    return Paths(nodes, "test", curve, none, none)


def polyline_literally(nodes: Tensor, share: float) -> Tensor:
    """Walk along the segments of one polyline until a share of its length lies behind."""
    lengths = [float((b - a).norm()) for a, b in pairwise(nodes)]
    left = share * sum(lengths)
    for a, b, length in zip(nodes[:-1], nodes[1:], lengths, strict=True):
        if left <= length and length > 0:
            return a + (left / length) * (b - a)
        left -= length
    return nodes[-1]


def de_casteljau(nodes: Tensor, at: float) -> Tensor:
    while len(nodes) > 1:
        nodes = (1 - at) * nodes[:-1] + at * nodes[1:]
    return nodes[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_points_are_those_of_a_walk_along_the_segments(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    nodes = torch.rand(3, count, 1, 2, 2, generator=generator, dtype=torch.float64)
    nodes[1, 1:] = nodes[1, -1:]  # a path with fewer nodes repeats its last one
    at = torch.rand(7, generator=generator, dtype=torch.float64).sort().values
    found = paths_of(nodes).points(at)
    expected = torch.stack(
        [torch.stack([polyline_literally(n, float(t)) for n in nodes]) for t in at]
    )
    torch.testing.assert_close(found, expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_points_of_a_bezier_curve_are_those_of_de_casteljau(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    nodes = torch.rand(2, count, 3, generator=generator, dtype=torch.float64)
    at = torch.rand(5, generator=generator, dtype=torch.float64)
    found = paths_of(nodes, "bezier").points(at)
    expected = torch.stack([torch.stack([de_casteljau(n, float(t)) for n in nodes]) for t in at])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("curve", ["polyline", "bezier"])
def test_the_ends_are_met_exactly_and_no_point_leaves_the_box_by_rounding(curve: str) -> None:
    generator = torch.Generator().manual_seed(0)
    nodes = torch.rand(8, 5, 3, 4, 4, generator=generator).round()
    points = paths_of(nodes, curve).points(torch.linspace(0, 1, 101))
    assert torch.equal(points[0], nodes[:, 0])
    assert torch.equal(points[-1], nodes[:, -1])
    assert points.min() >= 0
    assert points.max() <= 1


def test_two_equal_images_are_joined_by_themselves() -> None:
    image = torch.rand(1, 3, 2, 2)
    points = straight_line(image, image).points(torch.linspace(0, 1, 5))
    assert torch.equal(points, image.expand(5, 1, 3, 2, 2))


def test_distance_is_to_the_chord_as_a_segment() -> None:
    path = straight_line(torch.tensor([[0.2, 0.5]]), torch.tensor([[0.8, 0.5]]))
    points = torch.tensor([[[0.5, 0.9]], [[0.8, 0.1]], [[1.0, 0.5]]])
    expected = torch.tensor([[0.4], [0.4], [0.2]])
    torch.testing.assert_close(path.strays(points), expected)
    torch.testing.assert_close(path.chords(), torch.tensor([0.6]))


def test_a_polyline_deviates_most_at_a_node() -> None:
    nodes = torch.rand(5, 4, 1, 3, 3, generator=torch.Generator().manual_seed(2)).double()
    nodes[4] = nodes[4, :1]  # a chord of length 0
    path = paths_of(nodes)
    points = path.points(torch.linspace(0, 1, 4001, dtype=torch.float64))
    found = path.strays(points).amax(0)[:4] / path.chords()[:4]
    torch.testing.assert_close(path.deviations()[:4], found, atol=1e-3, rtol=0)
    assert (path.deviations()[:4] >= found).all()
    assert float(path.deviations()[4]) == 0


def test_bernstein_weights_sum_to_one() -> None:
    weights = bernstein(torch.linspace(0, 1, 11), 7)
    torch.testing.assert_close(weights.sum(1), torch.ones(11, dtype=torch.float64))
    assert math.isclose(float(weights[5, 3]), 20 / 64)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 3), "one shape"),
        (torch.zeros(2, 3), torch.full((2, 3), 1.5), r"\[0, 1\]"),
        (torch.zeros(2, 3), torch.full((2, 3), torch.nan), r"\[0, 1\]"),
    ],
)
def test_bad_ends_are_named(first: Tensor, second: Tensor, said: str) -> None:
    with pytest.raises(InputError, match=said):
        straight_line(first, second)


def test_paths_need_two_nodes_and_a_known_curve() -> None:
    with pytest.raises(InputError, match="m >= 2"):
        paths_of(torch.zeros(2, 1, 3))
    with pytest.raises(InputError, match="spline"):
        paths_of(torch.zeros(2, 2, 3), "spline")
