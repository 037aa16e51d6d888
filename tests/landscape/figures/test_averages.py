"""Averages against a radius: a panel for each measure that is there, a line for each group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.report.figures import style
from landscape.figures import Groups, averages
from landscape.measures import Measure

MEASURES = [
    Measure("score", "standardised score", "deviations", "l2 radius", short="score"),
    Measure("share", "share kept", "share", "sigma"),
    Measure("absent", "not measured", "nats", "l2 radius"),
]


def test_a_panel_for_each_measure_and_a_line_for_each_group_with_its_mean() -> None:
    generator = np.random.default_rng(0)
    parts = []
    for group, level in (("genuine", 0.0), ("pgd(eps=0.1)", 2.0)):
        values = level + generator.normal(size=(40, 4))
        columns = ["score@0.1", "score@0.2", "share@0.01", "share@0.02"]
        parts.append(
            pd.DataFrame(values, columns=columns).assign(
                id=[f"x{i}" for i in range(40)], group=group, pool=False, loss=1.0,
                clean_correct=True, status="success",
            )
        )  # fmt: skip
    parts[1].loc[0, "score@0.1"] = np.nan  # an example that lacks a value lacks its curve
    with style():
        drawing = averages(pd.concat(parts), MEASURES, Groups({"pgd(eps=0.1)": "PGD"}))
    assert [ax.get_title(loc="left") for ax in drawing.figure.axes] == ["score", "share kept"]
    assert all(len(ax.get_lines()) == 2 for ax in drawing.figure.axes)
    rows = drawing.data.set_index(["measure", "group"]).loc[("score", "pgd(eps=0.1)")]
    assert rows["n"].tolist() == [39, 39]
    np.testing.assert_allclose(rows["mean"], parts[1].iloc[1:][["score@0.1", "score@0.2"]].mean())
