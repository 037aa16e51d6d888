"""What a comparison of groups found: effects and AUC, each raw and at equal loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from core.report.drawing import Drawing, name_lines, plain_ticks, remove_unused
from core.report.figures import subplots
from core.report.groups import GroupStyle
from landscape.comparison import Comparison
from landscape.figures.groups import Groups, label_below
from landscape.measures import LOSS, Measures, measure_of, title


@dataclass(frozen=True)
class Comparing:
    """One of the comparisons of a group with genuine images, as it is drawn.

    Attributes:
        label: for the legend.
        effect: the columns of the effect and its interval.
        area: the columns of the AUC and its interval.
        fill: of the marker.
    """

    label: str
    effect: tuple[str, str, str]
    area: tuple[str, str, str]
    fill: Literal["full", "none", "left"]


RAW = Comparing("raw: with its own genuine twin", ("estimate", "low", "high"),
                ("auc", "auc_low", "auc_high"), "full")  # fmt: skip
MATCHED = Comparing(
    "matched: with a genuine image of equal loss",
    ("matched_estimate", "matched_effect_low", "matched_effect_high"),
    ("matched_auc", "matched_low", "matched_high"),
    "none",
)
CONTROL = Comparing(
    "control: with a genuine image of its class, pushed to its loss",
    ("control_estimate", "control_effect_low", "control_effect_high"),
    ("control_auc", "control_low", "control_high"),
    "left",
)


def effects(comparison: Comparison, groups: Groups) -> list[Drawing]:
    """Draw how much sharper each group is than its genuine twins, raw and at equal loss.

    One drawing for each family of measures, named `effects_` and the family.
    """
    rows = comparison.discrimination.merge(
        comparison.paired, on=["group", "measure"], suffixes=("", "_pair")
    )
    families: dict[str, list[str]] = {}
    for name in rows["measure"].drop_duplicates():
        families.setdefault(measure_of(name, comparison.measures).family, []).append(name)
    return [
        _effects(rows[rows["measure"].isin(names)], names, family, comparison.measures, groups)
        for family, names in families.items()
    ]


def _effects(
    rows: pd.DataFrame, names: list[str], family: str, measures: Measures, groups: Groups
) -> Drawing:
    """Draw the effects of one family of measures."""
    compared = _compared(rows)
    across = 2 if len(names) > 1 else 1
    figure, axes = subplots(
        -(-len(names) // across),
        across,
        size=(9.5 / across, 0.85 + (0.2 + 0.12 * len(compared)) * len(groups.names)),
        sharey=True,
    )
    for ax, name in zip(axes.flat, names, strict=False):
        chosen = rows[rows["measure"] == name].set_index("group")
        ratio = chosen["effect"].iloc[0] != "difference"
        ax.axvline(1 if ratio else 0, color="0.35", linewidth=1)
        for i, group in enumerate(groups.names):
            for _, row in chosen[chosen.index == group].iterrows():
                _lines(ax, row, compared, i, groups.look(group), "effect")
        if ratio:
            ax.set_xscale("log")
        unit = measure_of(name, measures).unit
        ax.set_xlabel("times the genuine value" if ratio else f"difference ({unit})", fontsize=8)
        ax.set_title(title(name, measures), loc="left", fontsize=10)
        name_lines(ax, [groups.labels[g] for g in groups.names], size=8)
        if ratio:
            _ratio_ticks(ax)
    remove_unused(figure, axes, len(names))
    _legend(figure, compared)
    return Drawing(
        f"effects_{family.replace(' ', '_')}" if family else "effects",
        figure,
        rows,
        "How much larger each measure is around an example of the group than around a genuine one: "
        f"{_spoken(compared)} The line is no difference. A filled marker away from it whose open "
        "partners lie on it is a difference of confidence, not of shape. Bars: 95 % intervals. No "
        "open marker: too few genuine images have the group's loss. A ratio is given where genuine "
        "values are clearly above 0, else the mean difference.",
    )


def discrimination(comparison: Comparison, groups: Groups) -> Drawing:
    """Draw how well each measure alone tells a group from genuine images: AUC, three times."""
    rows = comparison.discrimination
    compared = _compared(rows)
    names = list(rows["measure"].drop_duplicates())
    figure, axes = subplots(
        1,
        len(groups.names),
        size=(
            1.7 + 1.8 / max(len(groups.names), 1),
            1.2 + (0.14 + 0.11 * len(compared)) * len(names),
        ),
        sharex=True,
        sharey=True,
    )
    measures = [
        "loss alone (baseline)" if n == LOSS else title(n, comparison.measures, short=True)
        for n in names
    ]
    for ax, group in zip(axes.flat, groups.names, strict=True):
        chosen = rows[rows["group"] == group].set_index("measure")
        ax.axvline(0.5, color="0.35", linewidth=1)
        for i, name in enumerate(names):
            _lines(ax, chosen.loc[name], compared, i, groups.look(group), "area")
        ax.set_title(groups.labels[group], loc="left", fontsize=9)
        name_lines(ax, measures, size=8)
        ax.set_xlim(-0.03, 1.03)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    _legend(figure, compared)
    label_below(figure, "AUC of “the group's value is larger”")
    return Drawing(
        "discrimination",
        figure,
        rows,
        "How well each measure alone tells the group from genuine images; .5 is chance, 0 and 1 "
        f"are perfect. {_spoken(compared)} The first line is the trivial baseline, the loss at the "
        "centre.",
    )


def _compared(rows: pd.DataFrame) -> list[Comparing]:
    """Return the comparisons that were made: without a control, two."""
    return [RAW, MATCHED, *([CONTROL] if rows["control_auc"].notna().any() else [])]


def _spoken(compared: list[Comparing]) -> str:
    """Say what the markers mean."""
    said = (
        "raw (filled; the same example, paired) and matched (open; a genuine image with the same "
    )
    if CONTROL not in compared:
        return f"{said}loss at its centre)."
    return (
        f"{said.replace(' and matched', ', matched')}loss at its centre) and against the "
        "same-class control (half filled; a genuine image of the class that the example is taken "
        "for, pushed to its loss)."
    )


def _legend(figure: Figure, compared: list[Comparing]) -> None:
    handles = [
        Line2D([], [], color="0.25", marker="o", fillstyle=one.fill, markerfacecoloralt="white",
               linestyle="", label=one.label)
        for one in compared
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside upper center", ncols=1 if len(compared) > 2 else 2,
        frameon=False, fontsize=9,
    )  # fmt: skip


def _lines(
    ax: Axes, row: pd.Series, compared: list[Comparing], place: int, look: GroupStyle, what: str
) -> None:
    """Draw the estimates of one row with their intervals, one below the other."""
    heights = np.linspace(-0.24, 0.24, len(compared)) if len(compared) > 2 else (-0.14, 0.18)
    for one, height in zip(compared, heights, strict=True):
        columns = one.effect if what == "effect" else one.area
        estimate, low, high = (float(row.get(column, np.nan)) for column in columns)
        if not np.isfinite(estimate):
            continue
        y = place + height
        if np.isfinite(low) and np.isfinite(high):
            ax.plot([low, high], [y, y], color=look.color, linewidth=1.6, solid_capstyle="butt")
        # Open markers are filled with white: the bar behind them would show through.
        hollow = one.fill == "none"
        ax.plot(
            estimate, y, look.marker, color=look.color, markersize=5,
            fillstyle="full" if hollow else one.fill,
            markerfacecolor="white" if hollow else look.color, markerfacecoloralt="white",
        )  # fmt: skip


def _ratio_ticks(ax: Axes) -> None:
    """Label a short logarithmic axis with 0.5, 1, 2, a long one with powers of ten."""
    low, high = ax.get_xlim()
    if high / low < 4:
        plain_ticks(ax.xaxis, MaxNLocator(5, steps=[1, 2, 5, 10]))
    elif high / low < 200:
        plain_ticks(ax.xaxis, LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    ax.xaxis.set_minor_formatter(NullFormatter())
