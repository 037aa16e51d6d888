"""Do barrier, effort or distance tell an adversarial end from a genuine one?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from core.report.drawing import Drawing, name_lines
from core.report.figures import subplots
from landscape.comparison import Comparison
from landscape.figures import Groups
from landscape.measures import LOSS, measure_of

_SHOWN = (LOSS, "straight_barrier", "bypass_gradients", "distance")


@dataclass(frozen=True)
class _Compared:
    """One of the comparisons: its name, the columns of its AUC, and its mark."""

    label: str
    columns: tuple[str, str, str]
    fill: Literal["full", "none", "left", "bottom"]


_COMPARED = (
    _Compared("raw: with genuine images", ("auc", "auc_low", "auc_high"), "full"),
    _Compared("at equal loss", ("matched_auc", "matched_low", "matched_high"), "none"),
    _Compared("with the same-class control (equal loss and class)",
              ("control_auc", "control_low", "control_high"), "left"),
    _Compared("with the control, and at equal distance, too",
              ("far_auc", "far_low", "far_high"), "bottom"),
)  # fmt: skip


def detector(comparison: Comparison, far: pd.DataFrame, groups: Groups) -> Drawing:
    """Draw the AUC of the loss, of a barrier, an effort and the distance, in four comparisons.

    Args:
        comparison: of all groups.
        far: from `distance.at_equal_distance`.
        groups: their names and looks.
    """
    far = far.rename(columns={"n": "far_n", "auc": "far_auc", "low": "far_low", "high": "far_high"})
    rows = comparison.discrimination.merge(far, on=["group", "measure"], how="left")
    rows = rows[rows["measure"].isin(_SHOWN)]
    used = [one for one in _COMPARED if rows[one.columns[0]].notna().any()]
    figure, axes = subplots(
        1, len(_SHOWN), size=(2.6, 1.4 + (0.2 + 0.14 * len(used)) * len(groups.names)), sharey=True
    )
    for ax, name in zip(axes[0], _SHOWN, strict=True):
        chosen = rows[rows["measure"] == name].set_index("group")
        ax.axvline(0.5, color="0.35", linewidth=1)
        for i, group in enumerate(groups.names):
            if group in chosen.index:
                _marks(ax, chosen.loc[group], i, groups.look(group).color, used)
        measure = measure_of(name, comparison.measures)
        ax.set_title("loss alone" if name == LOSS else measure.short, loc="left", fontsize=10)
        name_lines(ax, [groups.labels[g] for g in groups.names], size=8)
        ax.set_xlim(-0.03, 1.03)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    handles = [
        Line2D([], [], color="0.25", marker="o", fillstyle=one.fill, markerfacecoloralt="white",
               linestyle="", label=one.label)
        for one in used
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2, fontsize=9, alignment="left",
        title="Does the way to genuine images of its class give an adversarial image away?",
        title_fontproperties={"size": 13, "weight": "bold"},
    )  # fmt: skip
    figure.supxlabel("AUC of “the group's value is larger”", fontsize=10)
    return Drawing(
        "detector",
        figure,
        rows,
        "How well one number tells an image of the group from a genuine one, when each is joined "
        "to genuine images of the class it is taken for; .5 is chance. From top to bottom in each "
        "line: raw; with genuine images of equal loss; with genuine images of the class pushed to "
        "the loss (the same-class control); with those controls that also are as far from their "
        "partners. Bars: 95 % intervals. A mark is missing where too few images can be compared.",
    )


def _marks(ax: Axes, row: pd.Series, place: int, colour: str, used: list[_Compared]) -> None:
    """Draw the estimates of one line with their intervals, one below the other."""
    heights = np.linspace(-0.3, 0.3, len(used)) if len(used) > 1 else np.zeros(len(used))
    for one, height in zip(used, heights, strict=True):
        estimate, low, high = (float(row[column]) for column in one.columns)
        if not np.isfinite(estimate):
            continue
        y = place + height
        if np.isfinite(low) and np.isfinite(high):
            ax.plot([low, high], [y, y], color=colour, linewidth=1.5, solid_capstyle="butt")
        hollow = one.fill == "none"
        ax.plot(
            estimate, y, "o", color=colour, markersize=5, fillstyle="full" if hollow else one.fill,
            markerfacecolor="white" if hollow else colour, markerfacecoloralt="white",
        )  # fmt: skip
