"""How far the local picture reaches: tangent and parabola beside the landscape itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator

from core.report.drawing import Drawing, name_lines, plain_ticks
from core.report.figures import subplots
from core.report.versions import GENUINE
from landscape.slices.drawing.profiles import (
    PARABOLA,
    TANGENT,
    Profile,
    profile_legend,
    profile_panel,
)
from landscape.slices.kinds import ALONG, SHORT

SHOWN = 3
"""Examples whose lines are drawn."""


def local_lines(table: pd.DataFrame, titles: Sequence[str], kinds: Sequence[str]) -> Drawing:
    """Draw the lines of some genuine images with their tangents and parabolas.

    Args:
        table: of `pictured.lines_of`, with the column `id`; the first examples are drawn.
        titles: of the examples.
        kinds: of directions.
    """
    ids = list(dict.fromkeys(table["id"]))[:SHOWN]
    figure, axes = subplots(len(ids), len(kinds), size=(9.5 / len(kinds), 2.3))
    for i, (key, title) in enumerate(zip(ids, titles, strict=False)):
        for ax, kind in zip(axes[i], kinds, strict=True):
            if not i:
                ax.set_title(SHORT[kind], fontsize=11)
            rows = table[(table["id"] == key) & (table["kind"] == kind)]
            if not len(rows):
                ax.set_axis_off()
                continue
            profile_panel(ax, profile_from(rows))
            ax.locator_params(nbins=5, axis="x")
        axes[i, 0].set_ylabel(f"“{title}”\nloss (nats)", fontsize=9.5)
    profile_legend(figure, axes[0, 0])
    figure.supxlabel("signed l2 distance from the image (input units)", fontsize=11)
    return Drawing(
        "local_lines",
        figure,
        table,
        "The loss of the predicted label along lines through single images, beside what slope "
        "(dotted) and slope and curvature (green) at the image say of it, to somewhat beyond the "
        "first change of the label (grey). Dashed: some pixel is outside [0, 1].",
    )


def profile_from(rows: pd.DataFrame) -> Profile:
    """Return the line that rows of `pictured.lines_of` hold."""
    return Profile(
        distances=rows["distance"].to_numpy(float),
        loss=rows["loss"].to_numpy(float),
        kept=rows["kept"].to_numpy(bool),
        inside=rows["inside"].to_numpy(bool),
        value=float(rows["value"].iloc[0]),
        slope=float(rows["slope"].iloc[0]),
        curvature=float(rows["curvature"].iloc[0]),
    )


def local_forest(summary: pd.DataFrame) -> Drawing:
    """Draw, for genuine images, how far tangent and parabola reach, and how far the label lasts."""
    rows = summary[summary["group"] == GENUINE].reset_index(drop=True)
    figure, axes = subplots(size=(9.5, 1.5 + 0.55 * len(rows)))
    ax = axes[0, 0]
    marks = (
        ("tangent_reach", "tangent", TANGENT, "v", -0.22),
        ("parabola_reach", "parabola", PARABOLA, "s", 0.0),
        ("change", "label", "#0072B2", "o", 0.22),
    )
    for i, row in rows.iterrows():
        for name, label, colour, marker, offset in marks:
            if not np.isfinite(row.get(name, np.nan)) or row[name] <= 0:
                continue
            y = float(i) + offset  # type: ignore[arg-type]
            ax.plot([max(row[f"{name}_low"], row[name] / 30), row[f"{name}_high"]], [y, y],
                    color=colour, linewidth=2.4, alpha=0.6)  # fmt: skip
            ax.plot(row[name], y, marker, color=colour, markersize=7,
                    label=f"{label} lasts" if label == "label" else f"{label} holds")  # fmt: skip
    ax.set_xscale("log")
    plain_ticks(ax.xaxis, LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    name_lines(ax, [f"along {ALONG[kind]}" for kind in rows["kind"]], size=11)
    ax.set_xlabel("l2 distance from the image (input units)", fontsize=11)
    handles, labels = ax.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    if unique:
        figure.legend(unique.values(), unique.keys(), loc="outside upper center", ncols=3,
                      fontsize=10)  # fmt: skip
    return Drawing(
        "local_reach",
        figure,
        summary,
        "How far from a genuine image slope (tangent), and slope and curvature (parabola), tell "
        "the change of the loss to within a fifth of it, and how far the label lasts: medians over "
        "the examples with 95 % bootstrap intervals. A tangent that holds nowhere on the grid of "
        "distances is not drawn.",
    )
