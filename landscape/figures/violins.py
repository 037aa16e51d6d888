"""How every measure is distributed: within its group, and over pairs of twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.report.drawing import Drawing, name_lines, remove_unused
from core.report.figures import subplots
from landscape.figures.groups import Groups, counted, label_below
from landscape.measures import LOSS, Measures, headline_columns, measure_of, title
from landscape.sides import twins


def pairs(table: pd.DataFrame, measures: Measures, groups: Groups) -> Drawing:
    """Draw the distribution over pairs of log10(group / genuine twin), for every measure."""
    headline = headline_columns(table.columns, measures)
    columns = [name for name, measure in headline.items() if measure.logarithmic]

    def panel(ax: Axes, group: str, name: str, position: float) -> dict[str, float]:
        ours, genuine = twins(table, group)
        above, below = ours[name].to_numpy(float), genuine[name].to_numpy(float)
        both = (above > 0) & (below > 0) & np.isfinite(above) & np.isfinite(below)
        ratio = np.log10(above[both] / below[both])
        _violin(ax, ratio, position, groups.look(group).color)
        return {"n": len(ours), "drawn": int(both.sum()), **_quartiles(ratio)}

    figure, data = _panels(columns, measures, groups.names, groups, panel)
    for ax in figure.axes:
        ax.axvline(0, color="0.35", linewidth=1)
    label_below(
        figure, "log10 of (adversarial / its genuine twin); 0: as flat, 1: ten times sharper"
    )
    return Drawing(
        "pairs",
        figure,
        data,
        "Paired differences: each example against its own genuine twin. Bars: quartiles and "
        "median. Pairs in which a value is not positive have no ratio and are left out here (the "
        "table counts them).",
    )


def distributions(table: pd.DataFrame, measures: Measures, groups: Groups) -> Drawing:
    """Draw the distribution of every measure in every group."""
    columns = [LOSS, *headline_columns(table.columns, measures)]

    def panel(ax: Axes, group: str, name: str, position: float) -> dict[str, float]:
        values = counted(table, group)[name].to_numpy(float)
        values = values[np.isfinite(values)]
        logarithmic = measure_of(name, measures).logarithmic
        shown = np.log10(values[values > 0]) if logarithmic else values
        _violin(ax, shown, position, groups.look(group).color)
        return {"n": len(values), "drawn": len(shown), **_quartiles(shown)}

    figure, data = _panels(columns, measures, list(groups.labels), groups, panel)
    for ax, name in zip(figure.axes, columns, strict=False):
        measure = measure_of(name, measures)
        scale = "log10, " if measure.logarithmic else ""
        ax.set_xlabel(f"{scale}{measure.unit}", fontsize=8)
    return Drawing(
        "distributions",
        figure,
        data,
        "Every measure in every group; the first panel is the confounder, the loss at the centre. "
        "Bars: quartiles and median. Values that are not positive have no place on a log axis.",
    )


def _violin(ax: Axes, values: np.ndarray, position: float, colour: str) -> None:
    if len(values) < 2:
        return
    if np.ptp(values) > 0:
        parts: Any = ax.violinplot(
            values, [position], orientation="horizontal", widths=0.8, showextrema=False
        )["bodies"]
        for part in parts:
            part.set(facecolor=colour, alpha=0.35, linewidth=0)
    low, middle, high = np.percentile(values, [25, 50, 75])
    ax.plot([low, high], [position] * 2, color=colour, linewidth=3, solid_capstyle="butt")
    ax.plot(middle, position, "o", color=colour, markerfacecolor="white", markersize=4.5)


def _quartiles(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {"q25": np.nan, "median": np.nan, "q75": np.nan}
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"q25": float(low), "median": float(middle), "q75": float(high)}


def _panels(
    columns: list[str],
    measures: Measures,
    names: list[str],
    groups: Groups,
    panel: Callable[[Axes, str, str, float], dict[str, float]],
) -> tuple[Figure, pd.DataFrame]:
    """Draw a grid with a panel per measure and a line per group."""
    across = min(3, len(columns))
    figure, axes = subplots(
        -(-len(columns) // across),
        across,
        size=(9.5 / across, 0.75 + 0.3 * len(names)),
        sharey=True,
    )
    data = []
    for ax, column in zip(axes.flat, columns, strict=False):
        for i, group in enumerate(names):
            data.append({"measure": column, "group": group, **panel(ax, group, column, i)})
        name_lines(ax, [groups.labels[g] for g in names], size=8)
        ax.set_title(title(column, measures, short=True), loc="left", fontsize=9)
    remove_unused(figure, axes, len(columns))
    return figure, pd.DataFrame(data)
