"""The heat map of AUCs: a cell for every comparison, framed where it holds, no warning."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from core.report.figures import style
from landscape.figures.heat_map import _cells, areas

GROUPS = {"a": "PGD", "b": "minimum norm"}
TITLES = {"loss": "loss alone", "rise": "rise", "norm": "norm"}


def rows() -> pd.DataFrame:
    found = []
    for group in GROUPS:
        for measure in TITLES:
            area = 0.9 if measure == "rise" else 0.55
            matched = np.nan if group == "b" else area - 0.1
            beyond = 1.0 if measure == "rise" else 0.0
            found.append(
                {"group": group, "measure": measure, "auc": area, "matched_auc": matched,
                 "control_auc": area - 0.05, "beyond": np.nan if measure == "loss" else beyond}
            )  # fmt: skip
    return pd.DataFrame(found)


def test_a_cell_is_framed_where_the_difference_holds_and_nowhere_else() -> None:
    lines = [["", "loss"], ["", "rise"], ["", "norm"]]
    shown = ["auc", "matched_auc", "control_auc"]
    table, framed = _cells(rows().assign(part=""), lines, list(GROUPS), shown)
    assert table.shape == (3, 6)
    assert table[1].tolist()[:3] == [0.9, 0.8, 0.85]
    assert np.isnan(table[1, 4])
    assert framed.sum() == 3
    assert framed[1].tolist() == [False, True, True, False, False, True]


def test_the_figure_is_drawn_without_a_warning_with_and_without_parts() -> None:
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = areas(rows(), GROUPS, TITLES)
        parted = areas(
            pd.concat([rows().assign(part="one"), rows().assign(part="two")]),
            GROUPS, TITLES, parts={"one": "First", "two": "Second"}, name="overview",
        )  # fmt: skip
        whole.figure.draw_without_rendering()
        parted.figure.draw_without_rendering()
    texts = [t.get_text() for t in parted.figure.axes[0].texts]
    assert texts.count(".90") == 4
    assert "First" in texts
    assert "Second" in texts
