"""Strips of dots: a measure in every group, a dot per example, with medians and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from core.report.drawing import Drawing, aside, name_lines, plain_ticks, remove_unused
from core.report.figures import subplots
from core.statistics import bootstrap
from landscape.figures.groups import Groups, counted

SHOWN = 150
"""Dots of a group; the median is over all of its examples."""


@dataclass(frozen=True)
class Strip:
    """What a panel shows.

    Attributes:
        column: of the table.
        title: of the panel.
        xlabel: of its axis, with the unit.
        logarithmic: whether the axis is; what is not positive is then left out.
        reference: where a line is drawn.
        limits: of the axis; by default as the values have it.
    """

    column: str
    title: str
    xlabel: str
    logarithmic: bool = True
    reference: float | None = None
    limits: tuple[float, float] | None = None


def strips(
    name: str,
    table: pd.DataFrame,
    panels: Sequence[Strip],
    groups: Groups,
    *,
    caption: str,
    seed: int = 0,
) -> Drawing:
    """Draw a panel per measure, a line per group, a dot per example.

    Args:
        name: of the drawing.
        table: of the study.
        panels: what they show, three in a row.
        groups: in the order of the report.
        caption: of the figure; what dots and bars are is added.
        seed: of the bootstrap.
    """
    across = min(3, len(panels))
    names = list(groups.labels)
    figure, axes = subplots(
        -(-len(panels) // across),
        across,
        size=(9.8 / across, 1.0 + 0.34 * len(names)),
        sharey=True,
    )
    data = []
    for ax, panel in zip(axes.flat, panels, strict=False):
        ax.set_title(panel.title, loc="left", fontsize=9)
        if panel.reference is not None:
            ax.axvline(panel.reference, color="0.35", linewidth=1)
        for line, group in enumerate(names):
            values = counted(table, group)[panel.column].to_numpy(float)
            found = _strip(ax, line, values[np.isfinite(values)], groups, group, panel, seed)
            data.append({"column": panel.column, "group": group, **found})
        name_lines(ax, [groups.labels[g] for g in names], size=8)
        ax.set_xlabel(panel.xlabel, fontsize=8)
        if panel.limits is not None:
            ax.set_xlim(panel.limits)
        _ticks(ax, panel)
    remove_unused(figure, axes, len(panels))
    hidden = ""
    if any(panel.logarithmic for panel in panels):
        hidden = " Values that are not positive have no place on a logarithmic axis."
    return Drawing(
        name,
        figure,
        pd.DataFrame(data),
        f"{caption} A dot is an example (at most {SHOWN} of each group), the white mark the median "
        f"over all, the bar its 95 % bootstrap interval.{hidden}",
    )


def _strip(
    ax: Axes, line: int, values: np.ndarray, groups: Groups, group: str, panel: Strip, seed: int
) -> dict[str, float]:
    """Draw one group's dots and median, and return the numbers."""
    look = groups.look(group)
    shown = np.sort(values[values > 0] if panel.logarithmic else values)
    spread = np.unique(np.linspace(0, max(len(shown) - 1, 0), SHOWN).astype(int))
    dots = shown[spread] if len(shown) else shown
    ax.plot(
        dots, line + aside(len(dots), 0.62), linestyle="none", marker=look.marker, markersize=2.6,
        alpha=0.45, color=look.color, markeredgewidth=0,
    )  # fmt: skip
    found = {"n": len(values), "drawn": len(shown), "median": np.nan, "low": np.nan, "high": np.nan}
    if len(values) < 2:
        return found
    middle = bootstrap(values, np.median, seed=seed, method="percentile", resamples=1000)
    if not panel.logarithmic or middle.low > 0:
        ax.plot([middle.low, middle.high], [line, line], color="0.1", linewidth=3.2,
                solid_capstyle="butt")  # fmt: skip
        ax.plot(middle.estimate, line, "o", color="0.1", markerfacecolor="white", markersize=5.5)
    return found | {"median": middle.estimate, "low": middle.low, "high": middle.high}


def _ticks(ax: Axes, panel: Strip) -> None:
    """Label a long logarithmic axis with powers of ten, and all others with plain numbers."""
    if not panel.logarithmic:
        ax.xaxis.set_major_locator(MaxNLocator(6))
        return
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    if high / low < 3e4:
        subs = (1.0, 2.0, 5.0) if high / low < 50 else (1.0,)
        plain_ticks(ax.xaxis, LogLocator(subs=subs, numticks=8))
    else:
        ax.xaxis.set_major_locator(LogLocator(numticks=6))
    ax.xaxis.set_minor_formatter(NullFormatter())
