"""Curves over gradients, from tables whose quantiles and shares are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from landscape.noise.curves import fooled_curve, loss_curve, shapes


def rows(example: str, losses: list[float], run: int = 0, spent: int = 0) -> pd.DataFrame:
    steps = np.arange(len(losses))
    return pd.DataFrame(
        {
            "id": example, "run": run, "step": steps, "spent": spent + steps, "loss": losses,
            "fooled": np.array(losses) > 1, "cosine": np.nan, "way": 2.0 * steps,
            "net": 1.0 * steps,
        }
    )  # fmt: skip


def test_medians_and_quartiles_are_over_examples():
    table = pd.concat([rows(str(i), [0.0, float(i), 10.0 * i]) for i in range(9)])
    curve = loss_curve(table)
    assert curve["spent"].tolist() == [0, 1, 2]
    assert curve["n"].tolist() == [9, 9, 9]
    assert curve["median"].tolist() == [0, 4, 40]
    assert curve["q25"].tolist() == [0, 2, 20]
    assert curve["q75"].tolist() == [0, 6, 60]


def test_an_example_that_stops_keeps_its_loss():
    table = pd.concat([rows("a", [0.0, 2.0]), rows("b", [0.0, 1.0, 3.0]), rows("c", [0, 4.0, 5.0])])
    assert loss_curve(table)["median"].tolist() == [0, 2, 3]


def test_an_image_that_was_fooled_once_stays_fooled_so_far():
    table = pd.concat(
        [rows("a", [0, 2, 0]), rows("b", [0, 0, 0]), rows("c", [0, 0, 5]), rows("d", [3, 0, 0])]
    )
    curve = fooled_curve(table)
    assert curve["share"].tolist() == [0.25, 0.5, 0.75]
    assert ((curve["low"] < curve["share"]) & (curve["share"] < curve["high"])).all()


def test_runs_follow_one_another_in_the_order_of_the_way():
    probes, first = rows("a", [0.0, 0.0], run=-1), rows("a", [0.0, 2.0, 3.0], run=0, spent=2)
    second = rows("a", [0.0, 1.0], run=1, spent=4)
    curve = loss_curve(pd.concat([second, probes, first]))
    assert curve["run"].tolist() == [-1, -1, 0, 0, 0, 1, 1]
    assert curve["spent"].tolist() == [0, 1, 2, 3, 4, 4, 5]
    assert curve["median"].tolist() == [0, 0, 0, 2, 3, 0, 1]
    assert fooled_curve(pd.concat([second, probes, first]))["share"].tolist() == [
        0,
        0,
        0,
        1,
        1,
        1,
        1,
    ]


def test_shapes_are_over_whole_ways_and_leave_probes_out():
    parts = []
    for i in range(20):
        walk = rows(f"x{i}", [0.0] * 4)
        walk["cosine"] = [np.nan, 0.5, -0.1, np.nan]
        probe = rows(f"x{i}", [0.0], run=-1).assign(cosine=-1.0, way=100.0)
        parts += [probe, walk]
    table = pd.concat(parts).assign(recipe="r")
    found = shapes(table, ["r", "absent"]).set_index("measure")
    assert found["recipe"].unique().tolist() == ["r"]
    assert found.loc["cosine", "median"] == pytest.approx(0.2)
    assert found.loc["tortuosity", "median"] == pytest.approx(2.0)
    assert found["n"].tolist() == [20, 20]
