"""Every measure as a detector, in one picture: a heat map of AUCs."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patches import Rectangle

from core.report.drawing import Drawing
from core.report.figures import subplots
from landscape.measures import LOSS

COMPARED = {"auc": "raw", "matched_auc": "equal\nloss", "control_auc": "same\nclass"}
"""The columns of AUCs, and how they are headed."""

CAPTION = (
    "AUC of “the measure is larger for the group's examples”: against their genuine twins (raw), "
    "against genuine images of equal loss, and against the same-class control. Orange: larger, "
    "violet: smaller, white: no different. Framed: differs at equal loss in all comparisons that "
    "could be made, after Holm's correction. Hatched: too few images to compare. The loss at the "
    "centre is the trivial baseline."
)


def areas(
    rows: pd.DataFrame,
    labels: Mapping[str, str],
    titles: Mapping[str, str],
    *,
    parts: Mapping[str, str] | None = None,
    name: str = "areas",
    caption: str = CAPTION,
) -> Drawing:
    """Draw the AUC of every measure for every group: raw, matched, against the control.

    Args:
        rows: as `Comparison.discrimination` has them; with `parts` also a column `part`.
        labels: the groups' short names, in the order of the columns.
        titles: the measures' short names, by column.
        parts: the names of parts, which lines are set apart by; None: there are none.
        name: of the figure's files.
        caption: what it shows.
    """
    keyed = rows if parts else rows.assign(part="")
    lines = keyed.drop_duplicates(["part", "measure"])[["part", "measure"]].to_numpy().tolist()
    groups = [group for group in labels if (keyed["group"] == group).any()]
    shown = [column for column in COMPARED if keyed[column].notna().any()]
    table, framed = _cells(keyed, lines, groups, shown)
    height, width = table.shape
    figure, axes = subplots(size=(3.2 + 0.52 * width, 1.6 + 0.24 * height))
    ax = axes[0, 0]
    ax.imshow(
        table, cmap=matplotlib.colormaps["PuOr_r"], norm=TwoSlopeNorm(0.5, 0, 1), aspect="auto",
        alpha=0.85,
    )  # fmt: skip
    _write(ax, table, framed)
    _frame(ax, lines, groups, shown, labels, titles, parts)
    return Drawing(name, figure, rows, caption)


def _cells(
    rows: pd.DataFrame, lines: list[list[str]], groups: list[str], shown: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the AUCs, `(measures, groups x comparisons)`, and which of them are framed."""
    table = np.full((len(lines), len(groups) * len(shown)), np.nan)
    framed = np.zeros(table.shape, dtype=bool)
    place = {(part, measure): i for i, (part, measure) in enumerate(lines)}
    for row in rows.to_dict("records"):
        if row["group"] not in groups:
            continue
        i, start = place[row["part"], row["measure"]], groups.index(row["group"]) * len(shown)
        for k, column in enumerate(shown):
            table[i, start + k] = row[column]
            framed[i, start + k] = (
                column != "auc" and row["measure"] != LOSS and abs(row["beyond"]) == 1
            )
    return table, framed & np.isfinite(table)


def _write(ax: Axes, table: np.ndarray, framed: np.ndarray) -> None:
    """Write the numbers into their cells, frame what holds, and hatch what is missing."""
    for (i, j), area in np.ndenumerate(table):
        if not np.isfinite(area):
            ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, hatch="////",
                                   edgecolor="0.88", linewidth=0))  # fmt: skip
            continue
        text = "1" if area > 0.995 else f"{area:.2f}".removeprefix("0")
        ax.text(
            j, i, text, ha="center", va="center", fontsize=8,
            color="white" if abs(area - 0.5) > 0.36 else "0.15",
            fontweight="bold" if framed[i, j] else "normal",
        )  # fmt: skip
        if framed[i, j]:
            ax.add_patch(Rectangle((j - 0.46, i - 0.44), 0.92, 0.88, fill=False,
                                   edgecolor="0.1", linewidth=1.1, zorder=2))  # fmt: skip


def _frame(
    ax: Axes,
    lines: list[list[str]],
    groups: list[str],
    shown: list[str],
    labels: Mapping[str, str],
    titles: Mapping[str, str],
    parts: Mapping[str, str] | None,
) -> None:
    """Name lines, columns, groups and parts, and set groups and parts apart."""
    height, each = len(lines), len(shown)
    for edge in range(1, len(groups)):
        ax.axvline(edge * each - 0.5, color="white", linewidth=4, zorder=1.5)
    ax.set_yticks(range(height), [titles[measure] for _, measure in lines], fontsize=9)
    heads = [COMPARED[column] for column in shown]
    ax.set_xticks(range(each * len(groups)), heads * len(groups), fontsize=8)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for j, group in enumerate(groups):
        ax.annotate(
            fill(labels[group], 7 * each), ((j + 0.5) * each - 0.5, 1),
            xycoords=("data", "axes fraction"), xytext=(0, 28), textcoords="offset points",
            ha="center", fontsize=9, fontweight="bold",
        )  # fmt: skip
    for i, (part, _) in enumerate(lines):
        if parts and (i == 0 or part != lines[i - 1][0]):
            if i:
                ax.axhline(i - 0.5, color="0.2", linewidth=1)
            ax.annotate(
                parts[part], (1, i - 0.3), xycoords=("axes fraction", "data"), xytext=(6, 0),
                textcoords="offset points", fontsize=9, fontstyle="italic", va="top",
            )  # fmt: skip
