"""The geometry of ways, on ways whose shape is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from core.errors import InputError
from landscape.noise.ways import progress, step_lengths, tortuosity, turning


def ways_of(*ways: list[tuple[float, float]]) -> tuple[Tensor, Tensor]:
    points = torch.tensor(ways, dtype=torch.float64)
    return points, torch.zeros(points.shape[1], dtype=torch.int64)


def test_a_straight_way_goes_straight_on_and_has_no_detour():
    points, run = ways_of([(0.0, 0.0), (1.0, 1.0), (3.0, 3.0), (4.0, 4.0)])
    cosines = turning(points, run)
    assert cosines[0, [0, -1]].isnan().all()
    torch.testing.assert_close(cosines[0, 1:-1], torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(tortuosity(points, run), torch.ones(1, dtype=torch.float64))


@pytest.mark.parametrize("corners", [3, 4, 7, 60])
def test_the_turns_of_a_polygon_are_its_outer_angles(corners):
    angles = 2 * math.pi * torch.arange(corners + 1, dtype=torch.float64) / corners
    points = torch.stack([angles.cos(), angles.sin()], 1).unsqueeze(0)
    run = torch.zeros(corners + 1)
    cosines = turning(points, run)[0, 1:-1]
    torch.testing.assert_close(cosines, torch.full_like(cosines, math.cos(2 * math.pi / corners)))
    way, net = progress(points, run)
    side = 2 * math.sin(math.pi / corners)
    assert float(way[0, -1]) == pytest.approx(corners * side)
    assert float(net[0, -1]) == pytest.approx(0, abs=1e-12)


def test_back_and_forth_turns_by_minus_one_and_winds_as_often_as_it_goes():
    points, run = ways_of([(0.0, 0.0), (1.0, 0.0), (0.0, 0.0), (1.0, 0.0), (0.0, 0.0), (1.0, 0.0)])
    assert (turning(points, run)[0, 1:-1] == -1).all()
    assert float(tortuosity(points, run)) == 5


def test_a_step_of_no_length_has_no_cosine_and_a_way_of_none_no_detour():
    points, run = ways_of([(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (2.0, 0.0)], [(1.0, 1.0)] * 4)
    assert turning(points, run).isnan().all()
    assert tortuosity(points, run).tolist() == [1.0, 1.0]


def test_the_jump_between_two_runs_is_no_step():
    points, _ = ways_of([(0.0, 0.0), (1.0, 0.0), (5.0, 5.0), (5.0, 6.0), (6.0, 6.0)])
    run = torch.tensor([0, 0, 1, 1, 1])
    assert step_lengths(points, run).tolist() == [[0, 1, 0, 1, 1]]
    cosines = turning(points, run)
    assert cosines[0, :3].isnan().all()
    assert float(cosines[0, 3]) == 0
    way, net = progress(points, run)
    assert way.tolist() == [[0, 1, 0, 1, 2]]
    np.testing.assert_allclose(net[0], [0, 1, 0, 1, math.sqrt(2)])
    assert float(tortuosity(points, run)) == pytest.approx(3 / (1 + math.sqrt(2)))


def test_a_way_ends_where_its_points_end():
    nan = math.nan
    points, run = ways_of(
        [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (nan, nan)], [(nan, nan)] * 4,
        [(0.0, 0.0), (3.0, 4.0), (nan, nan), (nan, nan)],
    )  # fmt: skip
    assert torch.equal(step_lengths(points, run).isnan(), points[..., 0].isnan())
    winds = tortuosity(points, run)
    assert float(winds[0]) == pytest.approx(math.sqrt(2))
    assert winds[1].isnan()
    assert float(winds[2]) == 1
    assert turning(points, run).isnan().tolist() == [
        [True, False, True, True], [True] * 4, [True] * 4,
    ]  # fmt: skip


@given(st.integers(0, 10**6), st.integers(2, 8), st.floats(0.01, 100))
def test_a_way_is_never_shorter_than_its_chord_whatever_turned_and_scaled(seed, columns, scale):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(3, columns, 5, generator=generator, dtype=torch.float64)
    run = torch.zeros(columns)
    winds = tortuosity(points, run)
    assert (winds >= 1 - 1e-12).all()
    turn, _ = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))
    moved = scale * points @ turn + 3
    torch.testing.assert_close(tortuosity(moved, run), winds, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(
        turning(moved, run), turning(points, run), rtol=1e-6, atol=1e-6, equal_nan=True
    )


def test_cosines_agree_with_a_literal_loop():
    points = torch.randn(4, 6, 2, 3, 3, generator=torch.Generator().manual_seed(3))
    found = turning(points, torch.zeros(6))
    for i in range(4):
        for t in range(1, 5):
            a = (points[i, t] - points[i, t - 1]).double().flatten()
            b = (points[i, t + 1] - points[i, t]).double().flatten()
            assert float(found[i, t]) == pytest.approx(float(a @ b / a.norm() / b.norm()), abs=1e-6)


def test_every_column_needs_a_run():
    with pytest.raises(InputError, match="one run for each of t columns"):
        turning(torch.zeros(2, 3, 4), torch.zeros(2))
