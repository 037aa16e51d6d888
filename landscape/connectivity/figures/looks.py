"""The colour and marker of each kind of pair, and panels with one attack each."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from core.report.drawing import remove_unused
from core.report.figures import subplots
from core.report.groups import GroupStyle
from core.statistics import Interval
from landscape.connectivity.kinds import (
    ADVERSARIAL,
    GENUINE,
    KINDS,
    MIXED,
    NOISE,
    SAME_CLASS,
    TWINS,
)

LOOKS = {
    GENUINE: GroupStyle("#0072B2", "o"),
    MIXED: GroupStyle("#E69F00", "^"),
    ADVERSARIAL: GroupStyle("#D55E00", "s"),
    SAME_CLASS: GroupStyle("#009E73", "v"),
    NOISE: GroupStyle("#6E6E6E", "X"),
    TWINS: GroupStyle("#CC79A7", "D"),
}
"""By kind of pair."""


def kinds_of(pairs: pd.DataFrame, attack: str) -> dict[str, pd.DataFrame]:
    """Return the rows of each kind of pair that belong to an attack, or to none, by kind."""
    rows = pairs[pairs["group"].isin(["", attack])]
    return {kind: rows[rows["kind"] == kind] for kind in KINDS if (rows["kind"] == kind).any()}


def panels(
    labels: Mapping[str, str], title: str, xlabel: str, ylabel: str
) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with one panel for each attack, and the panels by attack."""
    across = min(2, max(len(labels), 1))
    down = max(1, -(-len(labels) // across))
    figure, axes = subplots(down, across, size=(9.2 / across, 3.2), sharex=True, sharey=True)
    remove_unused(figure, axes, len(labels))
    named = dict(zip(labels, axes.flat, strict=False))
    for place, (attack, ax) in enumerate(named.items()):
        ax.set_title(labels[attack], loc="left", fontsize=11)
        ax.grid(True, axis="both")
        ax.tick_params(labelsize=9)
        if place + across >= len(named):
            ax.set_xlabel(xlabel, fontsize=10)
            ax.xaxis.set_tick_params(labelbottom=True)
        if place % across == 0:
            ax.set_ylabel(ylabel, fontsize=10)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return figure, named


def whisker(ax: Axes, kind: str, at: float, share: Interval) -> None:
    """Draw a share with its interval as the mark of a kind of pair."""
    look = LOOKS[kind]
    ax.plot([at, at], [share.low, share.high], color=look.color, linewidth=1.4, zorder=4)
    ax.plot(at, share.estimate, look.marker, color=look.color, markersize=5, zorder=5,
            markeredgecolor="white", markeredgewidth=0.6)  # fmt: skip


def legend(figure: Figure, kinds: list[str]) -> None:
    """Name the kinds of pair below a figure."""
    handles = [
        Line2D([], [], color=LOOKS[k].color, marker=LOOKS[k].marker, markersize=5, label=k)
        for k in KINDS
        if k in kinds
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=10)
