from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.errors import InputError
from core.report import figures, plots, save_figure
from core.statistics import Interval, bootstrap


def drawing():
    with figures.style():
        figure, axes = figures.subplots(size=(4, 3))
        axes[0, 0].plot([0, 1], [0, 1], label="a line")
        axes[0, 0].legend()
    return figure


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    first, second = (save_figure(drawing(), tmp_path / name, "line") for name in ("a", "b"))
    assert first.png.read_bytes() == second.png.read_bytes()
    assert first.svg.read_bytes() == second.svg.read_bytes()
    assert b"<dc:date>" not in first.svg.read_bytes()


def test_the_table_behind_a_figure_lies_beside_it(tmp_path):
    data = pd.DataFrame({"radius": [0.1, 0.2], "rise": [1 / 3, 2 / 3]})
    files = save_figure(drawing(), tmp_path, "line", data=data)
    pd.testing.assert_frame_equal(pd.read_csv(files.csv), data)
    assert Image.open(files.png).size == (4 * 160, 3 * 160)
    assert files.width == 4
    assert save_figure(drawing(), tmp_path, "other").csv is None


def test_the_style_is_undone():
    before = dict(matplotlib.rcParams)
    with figures.style():
        assert matplotlib.rcParams["axes.grid"]
    drawing()
    assert dict(matplotlib.rcParams) == before


def test_curves_average_all_examples_however_few_are_drawn():
    rows = np.random.default_rng(0).lognormal(size=(300, 4))
    _, axes = figures.subplots()
    band = plots.curves(axes[0, 0], [0, 1, 2, 3], rows, label="genuine", lines=50)
    assert band.estimate == pytest.approx(rows.mean(0))
    assert np.array_equal(band.low, bootstrap(rows).low)
    *thin, average = axes[0, 0].lines
    assert len(thin) == 50
    assert average.get_label() == "genuine (n = 300)"
    assert average.get_ydata() == pytest.approx(rows.mean(0))


def test_a_forest_fills_only_what_is_significant():
    _, axes = figures.subplots()
    effects = [
        plots.Effect("one", Interval(2.0, 1.5, 2.5), "pgd", True),
        plots.Effect("two", Interval(1.1, 0.9, 1.3), "fgsm", False),
        plots.Effect("three", Interval(np.nan, np.nan, np.nan), "noise"),
    ]
    plots.forest(axes[0, 0], effects, null=1.0, xlabel="ratio", log=True)
    markers = [line for line in axes[0, 0].lines if line.get_linestyle() == "None"]
    assert [line.get_markerfacecolor() == "white" for line in markers] == [False, True]
    written = [text.get_text() for text in axes[0, 0].texts]
    assert written == ["2.0 [1.5, 2.5]", "1.10 [0.90, 1.30]", "no overlap"]
    assert [t.get_text() for t in axes[0, 0].get_yticklabels()] == ["one", "two", "three"]


def test_a_distribution_says_its_n_and_what_a_log_axis_cannot_show():
    _, axes = figures.subplots()
    groups = {"genuine": [1.0, 2.0, 3.0, 0.0, -1.0], "noise": [5.0] * 4}
    plots.distributions(axes[0, 0], groups, ylabel="rise (nats)", log=True)
    labels = [tick.get_text() for tick in axes[0, 0].get_xticklabels()]
    assert labels == ["genuine\nn = 5\n(2 ≤ 0)", "noise\nn = 4"]
    assert axes[0, 0].get_yscale() == "log"
    medians = [line.get_ydata()[0] for line in axes[0, 0].lines if len(line.get_xdata()) == 1]
    assert medians == pytest.approx([2.0, 5.0])


def test_values_that_are_not_finite_are_not_drawn_over():
    _, axes = figures.subplots()
    with pytest.raises(InputError, match="genuine: 1 of 2 values are not finite"):
        plots.distributions(axes[0, 0], {"genuine": [1.0, np.nan]}, ylabel="rise")
