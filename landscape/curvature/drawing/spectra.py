"""Spectra of the groups: eigenvalues against their place, raw and at equal loss."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator

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
        ax.set_title(groups.labels[group], loc="left", fontsize=10)
        if len(ours) < LEAST_PAIRS:
            ax.text(0.5, 0.5, "too few examples", transform=ax.transAxes, ha="center")
            continue
        look, other = groups.look(group), groups.look(GENUINE)
        a, partners = _partners(table, ours)
        drawn = [
            ("the group", ours, look, "-", "full"),
            ("its genuine twins", genuine, other, "-", "full"),
        ]
        if len(a) >= LEAST_PAIRS:
            # Of the group then only those that have a partner are compared.
            drawn.append(("genuine, equal loss", partners, other, "--", "none"))
            if len(a) < 0.8 * len(ours):
                drawn.append(("of the group, with partners", ours.iloc[a], look, "--", "none"))
        for label, rows, style, line, fill in drawn:
            found = _median_line(ax, rows, f"{label}, n = {len(rows)}", style, line, fill, seed)
            data.append(found.assign(group=group, of=label))
        ax.legend(fontsize=7, loc="lower left", frameon=False, handlelength=1.6)
    remove_unused(figure, axes, len(names))
    label_columns(axes, len(names))
    for ax in figure.axes:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(numticks=7))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.tick_params(labelsize=8)
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
    a, b = match(covariate(ours, "cross_entropy"), covariate(genuine, "cross_entropy"))
    return a, genuine.iloc[b]


def _median_line(
    ax: Axes, rows: pd.DataFrame, label: str, look: GroupStyle, line: str, fill: str, seed: int
) -> pd.DataFrame:
    """Draw the median of each eigenvalue with its band, and return the numbers."""
    places, values = curves(rows, MEASURE)
    sizes = np.abs(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        middle = bootstrap(sizes, np.median, seed=seed, method="percentile", resamples=500)
    # An eigenvalue of 0, or of rounding, has no place on a logarithmic axis.
    floor = 1e-12 * float(np.max(middle.estimate, initial=0.0))
    low, high = (np.maximum(bound, floor) for bound in (middle.low, middle.high))
    shown = np.where(middle.estimate > floor, middle.estimate, np.nan)
    ax.fill_between(places, low, high, color=look.color, alpha=0.13, linewidth=0)
    ax.plot(
        places, shown, color=look.color, linestyle=line, marker=look.marker, markersize=4,
        fillstyle=fill, linewidth=1.5, label=label,
    )  # fmt: skip
    return pd.DataFrame(
        {"place": places, "n": len(rows), "median": middle.estimate, "low": middle.low,
         "high": middle.high}
    )  # fmt: skip
