"""Plots that several studies share; each draws into given axes and leaves the rest alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import ArrayLike
from scipy import stats

from core.errors import InputError
from core.report import words
from core.report.drawing import aside, name_lines, plain_ticks
from core.report.groups import GroupStyle, group_style
from core.statistics.checks import Array, finite
from core.statistics.intervals import Interval, bootstrap

# More lines or points than this only darken the page.
_SHOWN = 120


@dataclass(frozen=True)
class Effect:
    """One row of a forest plot."""

    label: str
    interval: Interval
    group: str = ""  # decides the colour; a name with no style of its own is drawn in black
    significant: bool | None = None  # None: not tested


def curves(
    ax: Axes,
    x: ArrayLike,
    per_example: ArrayLike,
    *,
    label: str,
    style: GroupStyle | None = None,
    average: Interval | None = None,
    lines: int = _SHOWN,
) -> Interval:
    """Draw one thin line per example and, over them, the group's average with its band.

    Args:
        ax: to draw into.
        x: `(k,)`, such as radii.
        per_example: `(n, k)`.
        label: the group; the legend adds its n.
        style: of the group; None: from its name.
        average: the line and band, arrays `(k,)`; None: the mean with its 95 % bootstrap interval.
        lines: most examples drawn, evenly chosen; the average always takes all.

    Returns:
        The average that is drawn.
    """
    rows = finite("per_example", per_example, ndim=(2,))
    at = finite("x", x)
    look = style or group_style(label)
    band = average if average is not None else bootstrap(rows)
    shown = rows[np.unique(np.linspace(0, len(rows) - 1, min(lines, len(rows))).astype(int))]
    faint = float(np.clip(8 / max(len(shown), 1), 0.06, 0.35))
    ax.plot(at, shown.T, color=look.color, linewidth=0.6, alpha=faint, zorder=1)
    ax.fill_between(at, band.low, band.high, color=look.color, alpha=0.3, linewidth=0, zorder=2)
    name = f"{label} (n = {len(rows):,})"
    ax.plot(at, band.estimate, color=look.color, marker=look.marker, label=name, zorder=3)
    return band


def forest(
    ax: Axes,
    effects: Sequence[Effect],
    *,
    null: float,
    xlabel: str,
    log: bool = False,
    styles: Mapping[str, GroupStyle] | None = None,
) -> None:
    """Draw effects with their intervals, one a row, against the line of no effect.

    A filled marker is a significant effect, a hollow one is not; the numbers stand at the right.

    Args:
        ax: to draw into.
        effects: from top to bottom.
        null: the value of no effect (1 for ratios, 0.5 for an AUC).
        xlabel: what is shown, with its unit.
        log: ratios, on a logarithmic axis.
        styles: of the groups; None: from their names.
    """
    ax.axvline(null, color="#222222", linewidth=1, zorder=1)
    for row, effect in enumerate(effects):
        band = effect.interval
        known = (styles or {}).get(effect.group)
        look = known or (group_style(effect.group) if effect.group else GroupStyle("#222222", "o"))
        if not np.isnan(band.estimate):
            ax.plot([band.low, band.high], [row, row], color=look.color, linewidth=2, zorder=2)
            face = "white" if effect.significant is False else look.color
            ax.plot(
                band.estimate,
                row,
                marker=look.marker,
                markersize=8,
                color=look.color,
                markerfacecolor=face,
                linestyle="none",
                zorder=3,
            )
        ax.annotate(
            "no overlap" if np.isnan(band.estimate) else words.interval(band),
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=11,
        )
    if log:
        ax.set_xscale("log")
        _plain_ticks(ax)
    name_lines(ax, [effect.label for effect in effects])
    ax.set_xlabel(xlabel)


def _plain_ticks(ax: Axes) -> None:
    """Label a logarithmic axis of ratios with 0.5, 1, 2 rather than powers of ten."""
    low, high = ax.get_xlim()
    narrow = high < 5 * low
    few, many = MaxNLocator(5, steps=[1, 2, 5, 10]), LogLocator(subs=(1.0, 2.0, 5.0), numticks=8)
    plain_ticks(ax.xaxis, few if narrow else many)


def distributions(
    ax: Axes,
    groups: Mapping[str, ArrayLike],
    *,
    ylabel: str,
    log: bool = False,
    styles: Mapping[str, GroupStyle] | None = None,
) -> None:
    """Draw the distribution of a measure in each group: density, points, median and quartiles.

    Args:
        ax: to draw into.
        groups: name -> `(n,)`.
        ylabel: the measure, with its unit.
        log: logarithmic axis; values that are zero or negative cannot be shown on it, and their
            number is given below the group's name.
        styles: of the groups; None: from their names.
    """
    if not groups:
        raise InputError("groups: none to draw.")
    labels = []
    for column, (name, given) in enumerate(groups.items()):
        values = finite(name, given)
        look = (styles or {}).get(name) or group_style(name)
        shown = values[values > 0] if log else values
        hidden = len(values) - len(shown)
        labels.append(f"{name}\nn = {len(values):,}" + (f"\n({hidden:,} ≤ 0)" if hidden else ""))
        if len(shown):
            _distribution(ax, column, np.log10(shown) if log else shown, look, log)
    if log:
        ax.set_yscale("log")
    ax.set_xticks(range(len(labels)), labels)
    ax.set_xlim(-0.6, len(labels) - 0.4)
    ax.set_ylabel(ylabel)


def _distribution(ax: Axes, column: int, values: Array, look: GroupStyle, log: bool) -> None:
    def back(numbers: Array) -> Array:
        return np.power(10.0, numbers) if log else numbers

    if len(values) > 2 and np.ptp(values) > 1e-9 * max(1.0, float(np.abs(values).max())):
        heights = np.linspace(values.min(), values.max(), 120)
        width = stats.gaussian_kde(values)(heights)
        half = 0.4 * width / width.max()
        ax.fill_betweenx(
            back(heights), column - half, column + half, color=look.color, alpha=0.18, linewidth=0
        )
    points = np.sort(values)[np.unique(np.linspace(0, len(values) - 1, _SHOWN).astype(int))]
    ax.plot(
        column + aside(len(points), 0.36),
        back(points),
        linestyle="none",
        marker=look.marker,
        markersize=3.2,
        alpha=0.5,
        color=look.color,
        markeredgewidth=0,
    )
    low, middle, high = back(np.quantile(values, [0.25, 0.5, 0.75]))
    ax.plot([column, column], [low, high], color="#222222", linewidth=4, solid_capstyle="butt")
    ax.plot(column, middle, marker="o", markersize=7, color="white", markeredgecolor="#222222")
