"""What a comparison of groups found: effects and AUC, each raw and matched on the loss."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from core.report.drawing import Drawing, name_lines, plain_ticks, remove_unused
from core.report.figures import subplots
from core.report.groups import GroupStyle
from landscape.flatness.comparison import Comparison
from landscape.flatness.figures.groups import Groups, label_below
from landscape.flatness.measures import MEASURES, Measure, title


def effects(comparison: Comparison, groups: Groups) -> Drawing:
    """Draw how much sharper each group is than its genuine twins, raw and matched on the loss."""
    rows = comparison.discrimination.merge(
        comparison.paired, on=["group", "measure"], suffixes=("", "_pair")
    )
    names = list(rows["measure"].drop_duplicates())
    across = 2 if len(names) > 1 else 1
    figure, axes = subplots(
        -(-len(names) // across),
        across,
        size=(9.5 / across, 0.85 + 0.34 * len(groups.names)),
        sharey=True,
    )
    for ax, name in zip(axes.flat, names, strict=False):
        chosen = rows[rows["measure"] == name].set_index("group")
        ratio = chosen["effect"].iloc[0] != "difference"
        ax.axvline(1 if ratio else 0, color="0.35", linewidth=1)
        for i, group in enumerate(groups.names):
            if group not in chosen.index:
                continue
            row, look = chosen.loc[group], groups.look(group)
            _interval(ax, row, ("estimate", "low", "high"), i - 0.14, look, filled=True)
            matched = ("matched_estimate", "matched_effect_low", "matched_effect_high")
            _interval(ax, row, matched, i + 0.18, look, filled=False)
        if ratio:
            ax.set_xscale("log")
        unit = "times the genuine value" if ratio else f"difference ({_measure(name).unit})"
        ax.set_xlabel(unit, fontsize=8)
        ax.set_title(title(name), loc="left", fontsize=10)
        name_lines(ax, [groups.labels[g] for g in groups.names], size=8)
        if ratio:
            _ratio_ticks(ax)
    remove_unused(figure, axes, len(names))
    handles = [
        Line2D([], [], color="0.25", marker="o", markerfacecolor=face, linestyle="", label=label)
        for face, label in (
            ("0.25", "raw: with its own genuine twin"),
            ("white", "matched: with a genuine image of equal loss"),
        )
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False)
    return Drawing(
        "effects",
        figure,
        rows,
        "How much larger each measure is around an example of the group than around a genuine one: "
        "raw (filled; the same example, paired) and matched (open; a genuine image with the same "
        "loss at its centre). The line is no difference. A filled marker away from it whose open "
        "partner lies on it is a difference of confidence, not of shape. Bars: 95 % intervals. No "
        "open marker: too few genuine images have the group's loss. A ratio is given where genuine "
        "values are clearly above 0, else the mean difference.",
    )


def discrimination(comparison: Comparison, groups: Groups) -> Drawing:
    """Draw how well each measure alone tells a group from genuine images: AUC, raw and matched."""
    rows = comparison.discrimination
    names = list(rows["measure"].drop_duplicates())
    figure, axes = subplots(
        1,
        len(groups.names),
        size=(1.7 + 1.8 / max(len(groups.names), 1), 0.9 + 0.36 * len(names)),
        sharex=True,
        sharey=True,
    )
    for ax, group in zip(axes.flat, groups.names, strict=True):
        chosen = rows[rows["group"] == group].set_index("measure")
        look = groups.look(group)
        ax.axvline(0.5, color="0.35", linewidth=1)
        for i, name in enumerate(names):
            row = chosen.loc[name]
            _interval(ax, row, ("auc", "auc_low", "auc_high"), i - 0.14, look, filled=True)
            matched = ("matched_auc", "matched_low", "matched_high")
            _interval(ax, row, matched, i + 0.18, look, filled=False)
        ax.set_title(groups.labels[group], loc="left", fontsize=9)
        measures = ["loss alone (baseline)" if n == "loss" else title(n, short=True) for n in names]
        name_lines(ax, measures, size=8)
        ax.set_xlim(-0.03, 1.03)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    label_below(
        figure, "AUC of “the group's value is larger”: filled raw, open matched on the loss"
    )
    return Drawing(
        "discrimination",
        figure,
        rows,
        "How well each measure alone tells the group from genuine images; .5 is chance, 0 and 1 "
        "are perfect. Filled: raw; open: matched on the loss. The first line is the trivial "
        "baseline, the loss at the centre.",
    )


def _measure(column_name: str) -> Measure:
    return MEASURES[column_name.split("@")[0]]


def _ratio_ticks(ax: Axes) -> None:
    """Label a short logarithmic axis with 0.5, 1, 2, a long one with powers of ten."""
    low, high = ax.get_xlim()
    if high / low < 200:
        plain_ticks(ax.xaxis, LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _interval(
    ax: Axes,
    row: pd.Series,
    columns: tuple[str, str, str],
    y: float,
    look: GroupStyle,
    *,
    filled: bool,
) -> None:
    """Draw an estimate and its interval, read from three columns of a row, at height y."""
    estimate, low, high = (float(row.get(column, np.nan)) for column in columns)
    if not np.isfinite(estimate):
        return
    if np.isfinite(low) and np.isfinite(high):
        ax.plot([low, high], [y, y], color=look.color, linewidth=1.6, solid_capstyle="butt")
    face = look.color if filled else "white"
    ax.plot(estimate, y, look.marker, color=look.color, markersize=5, markerfacecolor=face)
