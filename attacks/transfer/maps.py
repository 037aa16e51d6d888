"""The figures of a study of transfer that are matrices of classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from attacks.recipes import parse
from attacks.transfer.analysis import Analysis, without_source
from core.report.drawing import Drawing
from core.report.figures import subplots

MATRICES = 15
"""Recipes that have a matrix of their own in the figure; the table has all."""


def matrices(analysis: Analysis, labels: Mapping[str, str]) -> Drawing:
    """Draw one matrix of sources and victims for each recipe."""
    # Random noise knows no source: its matrix would be one row over and over.
    known = {r: label for r, label in labels.items() if parse(r).name != "noise"} or labels
    shown = dict(list(known.items())[:MATRICES])
    names = analysis.classifiers
    # Of two and three columns the one that leaves no panel alone in the last row.
    columns = 2 if len(shown) in (2, 4) else min(3, len(shown))
    rows = -(-len(shown) // columns)
    side = max(2.6, 0.72 * len(names))
    # A page is 9.5 wide: fewer columns are wider, else the page would blow them up.
    figure, axes = subplots(rows, columns, size=(max(side + 0.9, 9.5 / columns), side + 0.6))
    data = analysis.rates[analysis.rates["recipe"].isin(shown)]
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(hspace=0.06)
    for i, (ax, (recipe, label)) in enumerate(zip(axes.flat, shown.items(), strict=False)):
        own = data[data["recipe"] == recipe].set_index(["source", "victim"])["rate"]
        values = np.array([[own.get((s, v), np.nan) for v in names] for s in names])
        heat(ax, 100 * values, names, names, low=0, high=100)
        for k in range(len(names)):
            ax.add_patch(Rectangle((k - 0.5, k - 0.5), 1, 1, fill=False, edgecolor="#222222",
                                   linewidth=1.6, clip_on=False))  # fmt: skip
        ax.set_title(wrapped(label), fontsize=12)
        if i % columns:
            ax.set_yticklabels([])
        if i < columns * (rows - 1):
            ax.set_xticklabels([])
        if i < columns * (rows - 1) and i + columns >= len(shown):
            # Above an empty place; room for the names is not taken from the rows of panels.
            for k, name in enumerate(names):
                ax.annotate(name, (k, len(names) - 0.42), rotation=40, ha="right", va="top",
                            rotation_mode="anchor", fontsize=10.5, color="#444444",
                            annotation_clip=False).set_in_layout(False)  # fmt: skip
    figure.supxlabel("victim", fontsize=13)
    figure.supylabel("source", fontsize=13)
    return Drawing(
        "matrices",
        figure,
        data,
        "Per cent of the images whose example, made on the source (row), fools the victim "
        f"(column); {analysis.images:,} images, all classified correctly by all. Framed: the "
        "classifier that the example was made on. The table has every cell with its interval"
        + (", and the noise control." if len(known) < len(labels) else "."),
    )


def sharing(analysis: Analysis, label: str) -> Drawing | None:
    """Draw how far two victims are fooled by the same examples."""
    rows = without_source(analysis.shared)
    rows = rows[rows["recipe"] == analysis.main] if len(rows) else rows
    if not len(rows):
        return None
    names = analysis.classifiers
    side = max(2.2, 0.75 * (len(names) - 1))
    figure, axes = subplots(1, 3, size=(side + 1.1, side + 1.6))
    panels = (
        ("jaccard", "Jaccard index", 100),
        ("expected_jaccard", "... of independent sets", 100),
        ("kappa", "kappa", 1),
    )
    mean = rows.groupby(["first", "second"])[[column for column, _, _ in panels]].mean()
    for i, (ax, (column, title, scale)) in enumerate(zip(axes.flat, panels, strict=True)):
        values = np.full((len(names), len(names)), np.nan)
        for first, second, value in mean[column].reset_index().itertuples(index=False):
            j, k = names.index(first), names.index(second)
            values[max(j, k), min(j, k)] = scale * value
        form = (lambda v: f"{v:.0f}%") if scale == 100 else (lambda v: f"{v:.2f}".lstrip("0"))
        heat(ax, values[1:, :-1], names[1:], names[:-1], low=0, high=scale, form=form)
        ax.set_title(title)
        if i:
            ax.set_yticklabels([])
    return Drawing(
        "sharing",
        figure,
        rows,
        f"Do the same examples of {label} fool two classifiers that they were not made on? Jaccard "
        "index of the two fooled sets, what independent sets of the same sizes would have, and "
        "Cohen's kappa (0: independent); means over the sources. The table has every pair with its "
        "interval and McNemar's test.",
    )


def heat(
    ax: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    low: float,
    high: float,
    form: Callable[[float], str] = "{:.0f}".format,
) -> None:
    """Draw a matrix with its numbers, larger ones darker; what is missing stays white."""
    shades = matplotlib.colormaps["Blues"].with_extremes(bad="white")
    # The darkest blue leaves too little contrast to frames.
    span = high - low
    ax.imshow(np.ma.masked_invalid(values), cmap=shades, vmin=low, vmax=low + 1.15 * span,
              aspect="auto")  # fmt: skip
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = value > low + 0.7 * span
            ax.text(j, i, form(value), ha="center", va="center", fontsize=11,
                    color="white" if dark else "#222222")  # fmt: skip
    ax.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor",
                  fontsize=10.5)  # fmt: skip
    ax.set_yticks(range(len(rows)), rows, fontsize=10.5)
    ax.grid(False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def wrapped(label: str, width: int = 24) -> str:
    """Break a label that is too wide for its panel, at a comma."""
    if len(label) <= width or ", " not in label:
        return label
    first, _, rest = label.partition(", ")
    return f"{first},\n{rest}"
