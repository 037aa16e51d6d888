"""Spectra of the groups: eigenvalues against their place, raw and at equal loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from core.report.drawing import Drawing, remove_unused
from core.report.figures import subplots
from core.report.groups import GroupStyle
from core.report.versions import GENUINE
from core.statistics import bootstrap, match
from landscape.columns import curves
from landscape.comparison import LEAST_PAIRS, covariate, twins
from landscape.curvature.drawing.columns import label_columns
from landscape.figures.groups import Groups, label_below

MEASURE = "eigenvalue"
GROUP, TWINS = "the group", "its genuine twins"
PARTNERS, PARTNERED = "genuine images of equal loss", "those of the group with such a partner"

_SOLID: dict[str, Any] = {"linestyle": "-", "fillstyle": "full", "linewidth": 1.5, "markersize": 4}
_DASHED: dict[str, Any] = {**_SOLID, "linestyle": "--", "fillstyle": "none"}
_LINES = {GROUP: _SOLID, TWINS: _SOLID, PARTNERS: _DASHED, PARTNERED: _DASHED}


def spectra(table: pd.DataFrame, groups: Groups, *, seed: int = 0) -> Drawing:
    """Draw the median magnitude of each eigenvalue: a group, its twins, and partners of its loss.

    Args:
        table: of the study; columns `eigenvalue@1` and so on.
        groups: in the order of the report.
        seed: of the bootstrap.
    """
    names = groups.names
    across = min(3, max(len(names), 1))
    figure, axes = subplots(
        -(-len(names) // across), across, size=(9.5 / across, 2.9), sharex=True, sharey=True
    )
    data = []
    for ax, group in zip(axes.flat, names, strict=False):
        ours, genuine = twins(table, group)
        a, partners = _partners(table, ours)
        matched = f", {len(a)} at equal loss" if len(a) >= LEAST_PAIRS else ""
        ax.set_title(f"{groups.labels[group]}\nn = {len(ours)}{matched}", loc="left", fontsize=9)
        if len(ours) < LEAST_PAIRS:
            ax.text(0.5, 0.5, "too few examples", transform=ax.transAxes, ha="center")
            continue
        look, other = groups.look(group), groups.look(GENUINE)
        drawn = [(TWINS, genuine, other), (GROUP, ours, look)]
        if matched:
            drawn.append((PARTNERS, partners, other))
            if len(a) < 0.8 * len(ours):
                drawn.append((PARTNERED, ours.iloc[a], look))
        for of, rows, style in drawn:
            data.append(_median_line(ax, rows, of, style, seed).assign(group=group, of=of))
    remove_unused(figure, axes, len(names))
    label_columns(axes, len(names))
    for ax in figure.axes:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(numticks=7))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.tick_params(labelsize=8)
    _legend(figure, groups.look(GENUINE))
    label_below(figure, "place of the eigenvalue, from the largest in magnitude")
    figure.supylabel("magnitude (nats per squared input unit)", fontsize=10)
    return Drawing(
        "spectra",
        figure,
        pd.concat(data, ignore_index=True) if data else pd.DataFrame(),
        "The spectrum of the input Hessian: the median magnitude of each eigenvalue over the "
        "examples, with its 95 % bootstrap band. Solid: the group, and its own genuine twins; "
        "dashed: genuine images whose loss is the same as the group's (and, where fewer than four "
        "in five of the group have such a partner, those that do). Where the dashed line lies on "
        "the group's, the whole spectrum is what that loss would give anyway.",
    )


def _partners(table: pd.DataFrame, ours: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Return which of a group have a genuine partner of equal loss, and these partners."""
    genuine = table[
        (table["group"] == GENUINE)
        & (table["prediction"] == table["label"])
        & table["loss"].notna()
    ]
    if len(ours) < LEAST_PAIRS:
        return np.empty(0, dtype=np.intp), genuine.head(0)
    a, b = match(covariate(ours, "cross_entropy"), covariate(genuine, "cross_entropy"))
    return a, genuine.iloc[b]


def _median_line(
    ax: Axes, rows: pd.DataFrame, of: str, look: GroupStyle, seed: int
) -> pd.DataFrame:
    """Draw the median of each eigenvalue with its band, and return the numbers."""
    places, values = curves(rows, MEASURE)
    sizes = np.abs(values)
    middle = bootstrap(sizes, np.median, seed=seed, method="percentile", resamples=500)
    # An eigenvalue of 0, or of rounding, has no place on a logarithmic axis.
    floor = 1e-12 * float(np.max(middle.estimate, initial=0.0))
    low, high = (np.maximum(bound, floor) for bound in (middle.low, middle.high))
    shown = np.where(middle.estimate > floor, middle.estimate, np.nan)
    ax.fill_between(places, low, high, color=look.color, alpha=0.13, linewidth=0)
    ax.plot(places, shown, color=look.color, marker=look.marker, **_LINES[of])
    return pd.DataFrame(
        {"place": places, "n": len(rows), "median": middle.estimate, "low": middle.low,
         "high": middle.high}
    )  # fmt: skip


def _legend(figure: Figure, genuine: GroupStyle) -> None:
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, label=of, **_LINES[of])
        for of, look in (
            (GROUP, GroupStyle("0.35", "s")),
            (TWINS, genuine),
            (PARTNERED, GroupStyle("0.35", "s")),
            (PARTNERS, genuine),
        )
    ]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=2, frameon=False, fontsize=9,
        handlelength=2.6,
    )  # fmt: skip
