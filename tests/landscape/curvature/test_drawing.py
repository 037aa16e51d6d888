from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.report.figures import style, subplots
from landscape.curvature import drawing
from landscape.curvature.across import across, across_table
from landscape.curvature.drawing.columns import label_columns
from landscape.curvature.drawing.eigenvectors import Pictured
from landscape.figures.groups import Groups

N = 40


@pytest.fixture
def table() -> pd.DataFrame:
    """Genuine examples and attacked ones whose spectrum is ten times as large, losses shuffled."""
    rng = np.random.default_rng(0)
    loss = np.exp(rng.normal(size=2 * N))
    parts = []
    for group, scale in (("genuine", 1.0), ("fgsm(eps=0.1)", 10.0)):
        rows = 2 * N if group == "genuine" else N
        parts.append(
            pd.DataFrame(
                {"id": [str(i) for i in range(rows)], "group": group, "label": 0, "prediction": 0,
                 "pool": np.arange(rows) >= N, "status": "success", "clean_correct": True,
                 "loss": loss[:rows] if group == "genuine" else loss[:rows] * 1.001,
                 "eigenvalue@1": scale * loss[:rows], "eigenvalue@2": -0.1 * scale * loss[:rows],
                 "way": np.r_[np.nan, np.full(rows - 1, scale)]}
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def groups() -> Groups:
    return Groups({"fgsm(eps=0.1)": "FGSM"})


def test_spectra_show_medians_of_magnitudes_raw_and_at_equal_loss(table: pd.DataFrame) -> None:
    with style():
        data = drawing.spectra(table, groups()).data.set_index(["of", "place"])["median"]
    ours = table[table["group"] != "genuine"]
    for place in (1, 2):
        median = ours[f"eigenvalue@{place}"].abs().median()
        assert data["the group", place] == pytest.approx(median)
        assert data["its genuine twins", place] == pytest.approx(median / 10)
        assert data["genuine images of equal loss", place] == pytest.approx(median / 10, rel=0.3)


def test_strips_leave_out_what_is_missing(table: pd.DataFrame) -> None:
    panel = drawing.Strip("way", "a way", "times")
    with style():
        data = drawing.strips("ways", table, [panel], groups(), caption="").data
    assert data.set_index("group").loc["fgsm(eps=0.1)", ["n", "median"]].tolist() == [N - 1, 10.0]


def test_eigenvectors_share_one_scale_and_give_their_eigenvalues() -> None:
    rng = np.random.default_rng(0)

    def version(title: str) -> Pictured:
        vectors = rng.normal(size=(2, 3, 4, 4))
        return Pictured(title, "cat, 98%", rng.random((3, 4, 4)), vectors[0], vectors,
                        np.array([3.0, 1.0]), np.array([0.75, 0.25]))  # fmt: skip

    with style():
        drawn = drawing.eigenvectors([[version("genuine"), version("FGSM")]], ["cat"])
    assert drawn.data["eigenvalue"].tolist() == [3.0, 1.0, 3.0, 1.0]
    assert len(drawn.figure.axes) == 2 * 4
    shown = [ax.get_xlabel() for ax in drawn.figure.axes]
    assert "75% of all" in shown[2]
    assert "genuine: cat" in shown[0]


def test_the_lowest_panel_of_each_column_has_its_axis_labelled() -> None:
    figure, axes = subplots(2, 3, sharex=True)
    label_columns(axes, 5)
    figure.canvas.draw()
    labelled = [ax.xaxis.get_tick_params()["labelbottom"] for ax in axes.flat]
    assert labelled == [False, False, True, True, True, True]


def test_the_boundary_is_told_by_the_class_across_it(table: pd.DataFrame) -> None:
    there = table.assign(boundary_class=1, boundary_distance=1.0)
    attacked = there["group"] != "genuine"
    first = attacked & (there["id"].astype(int) < 10)
    there.loc[first, "boundary_class"] = 0
    there["boundary_bend@0.1"] = np.where(first, -2.0, 3.0)
    rows = across(there, ["genuine", "fgsm(eps=0.1)"], 0.1).set_index("group")
    assert rows.loc["genuine", ["n", "true", "other_median"]].tolist() == [N, 0, 3.0]
    assert np.isnan(rows.loc["genuine", "true_median"])
    found = rows.loc["fgsm(eps=0.1)", ["n", "true", "true_median", "other_median"]].tolist()
    assert found == [N, 10, -2.0, 3.0]
    shown = across_table(rows.reset_index(), {"fgsm(eps=0.1)": "FGSM"})
    assert shown["true class across"].tolist() == ["0 of 40", "10 of 40"]
