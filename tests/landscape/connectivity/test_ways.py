from __future__ import annotations

import pandas as pd
import pytest
import torch

from landscape.connectivity import barrier, bypass, elastic_band, straight_line, table
from landscape.connectivity.ways import DRAWN, joined
from tests.landscape.connectivity.test_scan import network

POINTS = 201


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    loss, first, second = some()
    return joined(
        loss, first, second, ("straight_line", "bypass", "elastic_band"), points=POINTS,
        ids=[f"p{i}" for i in range(len(first))],
    )  # fmt: skip


def some():
    loss, first, second = network()
    return loss.select(slice(0, 60)), first[:60], second[:60]


def test_every_way_has_a_row_per_pair_in_their_order(rows: pd.DataFrame) -> None:
    assert rows["kind"].tolist() == (
        ["straight_line"] * 60 + ["bypass"] * 60 + ["elastic_band"] * 60
    )
    assert rows["id"].tolist() == [f"p{i}" for i in range(60)] * 3
    assert not rows.isna().any().any()


@pytest.mark.parametrize("way", [bypass, elastic_band])
def test_rows_are_those_of_the_way_itself(rows: pd.DataFrame, way) -> None:
    loss, first, second = some()
    paths = way(loss, first, second)
    expected = table(loss, paths, points=POINTS)
    found = rows[rows["kind"] == way.__name__].reset_index(drop=True)
    assert (expected["gradients"] > 0).any()
    for name in ("barrier", "deviation", "kept", "mean_loss", "gradients", "forwards", "outside"):
        pd.testing.assert_series_equal(found[name], expected[name], atol=1e-9)
    curves = barrier(loss, paths, DRAWN).losses
    drawn = torch.tensor([list(map(float, curve)) for curve in found["losses"]]).double()
    torch.testing.assert_close(drawn, curves, atol=1e-5, rtol=1e-5)


def test_the_straight_line_s_barrier_stands_beside_every_path(rows: pd.DataFrame) -> None:
    loss, first, second = some()
    straight = table(loss, straight_line(first, second), points=POINTS)["barrier"].tolist()
    assert rows["straight_barrier"].tolist() == straight * 3
