"""What depends on a radius: the rise of the loss, and averages of what noise does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from core.report.drawing import Drawing, remove_unused
from core.report.figures import subplots
from core.report.versions import GENUINE
from core.statistics import bootstrap
from landscape.columns import curves, radii_in
from landscape.figures.groups import Groups, counted, label_below
from landscape.measures import Measure

DISPLAYED = 60
"""Examples whose own curves are drawn; the average is over all of them."""


def rises(table: pd.DataFrame, measure: Measure, groups: Groups, *, seed: int = 0) -> Drawing:
    """Draw the rise of the loss against the radius: every example, and their average."""
    radii = radii_in(table.columns, measure.name)
    across = min(3, len(groups.labels))
    figure, axes = subplots(
        -(-len(groups.labels) // across), across, size=(9.5 / across, 2.7), sharex=True, sharey=True
    )
    data, averages = [], {}
    for group in groups.labels:
        rows = counted(table, group)
        _, values = curves(rows, measure.name)
        if len(values) < 2:
            continue
        average = bootstrap(values, seed=seed, method="percentile", resamples=1000)
        averages[group] = (values, average)
        data.append(
            pd.DataFrame(
                {
                    "group": group,
                    "radius": radii,
                    "n": len(values),
                    "mean": average.estimate,
                    "low": average.low,
                    "high": average.high,
                    "median": np.median(values, axis=0),
                }
            )
        )
    floor = _floor([v for v, _ in averages.values()])
    for ax, (group, label) in zip(axes.flat, groups.labels.items(), strict=False):
        ax.set_title(label, loc="left", fontsize=10)
        if group not in averages:
            ax.text(0.5, 0.5, "too few examples", transform=ax.transAxes, ha="center")
            continue
        values, average = averages[group]
        own = groups.look(group)
        drawn = np.where(values > floor, values, np.nan)[:DISPLAYED]
        ax.plot(radii, drawn.T, color=own.color, alpha=0.18, linewidth=0.6)
        ax.fill_between(radii, np.maximum(average.low, floor), np.maximum(average.high, floor),
                        color=own.color, alpha=0.35, linewidth=0)  # fmt: skip
        ax.plot(radii, average.estimate, color=own.color, marker=own.marker, markersize=4,
                linewidth=2, label=f"average of {len(values)}")  # fmt: skip
        ax.plot(radii, np.median(values, axis=0), color=own.color, linestyle=":", linewidth=1.6,
                label="median")  # fmt: skip
        if group != GENUINE and GENUINE in averages:
            ax.plot(radii, averages[GENUINE][1].estimate, color="0.15", linestyle="--",
                    linewidth=1.1, label="genuine average")  # fmt: skip
        ax.legend(fontsize=7, loc="lower right", frameon=False)
    remove_unused(figure, axes, len(groups.labels))
    for ax in figure.axes:
        _radius_axis(ax, radii)
        ax.set_yscale("log")
        ax.tick_params(labelsize=8)
    axes[0, 0].set_ylim(bottom=floor)
    axes[0, 0].yaxis.set_major_locator(LogLocator(numticks=8))
    label_below(figure, f"{measure.axis} (input units)")
    figure.supylabel(f"{measure.title} ({measure.unit})", fontsize=10)
    return Drawing(
        measure.name,
        figure,
        pd.concat(data, ignore_index=True) if data else pd.DataFrame(),
        f"{measure.title[0].upper()}{measure.title[1:]}, as a function of the radius. Thin: single "
        f"examples (the first {DISPLAYED}); thick: their average with its 95 % bootstrap band; "
        "dotted: the median; dashed: the average of the genuine images. Values at or below "
        f"{floor:.0e} are off the axis.",
    )


def averages(
    table: pd.DataFrame, measures: Sequence[Measure], groups: Groups, *, seed: int = 0
) -> Drawing:
    """Draw the averages of measures that have no logarithm against what they depend on.

    A panel for each measure that the table has, with a line for each group.
    """
    shown = [m for m in measures if radii_in(table.columns, m.name)]
    figure, axes = subplots(1, max(len(shown), 1), size=(9.5 / max(len(shown), 1), 3.6))
    data = []
    for ax, measure in zip(axes.flat, shown, strict=False):
        radii = radii_in(table.columns, measure.name)
        for group, label in groups.labels.items():
            values = curves(counted(table, group), measure.name)[1]
            values = values[np.isfinite(values).all(1)]
            if len(values) < 2:
                continue
            own = groups.look(group)
            average = bootstrap(values, seed=seed, method="percentile", resamples=1000)
            ax.fill_between(radii, average.low, average.high, color=own.color, alpha=0.2,
                            linewidth=0)  # fmt: skip
            ax.plot(radii, average.estimate, color=own.color, marker=own.marker, markersize=4,
                    linewidth=1.8, label=f"{label}, n = {len(values)}")  # fmt: skip
            data.append(pd.DataFrame({"measure": measure.name, "group": group, "radius": radii,
                                      "n": len(values), "mean": average.estimate,
                                      "low": average.low, "high": average.high}))  # fmt: skip
        _radius_axis(ax, radii)
        ax.set_title(measure.short or measure.title, loc="left", fontsize=11)
        ax.set_xlabel(f"{measure.axis} (input units)", fontsize=10)
        ax.set_ylabel(measure.unit, fontsize=10)
        ax.tick_params(labelsize=9)
        ax.grid(color="0.92")
    if shown:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, fontsize=9, loc="outside lower center", ncols=3)
    titles = "; ".join(m.title for m in shown)
    return Drawing(
        "averages",
        figure,
        pd.concat(data, ignore_index=True) if data else pd.DataFrame(),
        f"What noise does, on average over the examples, with the 95 % bootstrap band: {titles}.",
    )


def _radius_axis(ax: Axes, radii: list[float]) -> None:
    """Mark the radii themselves on a logarithmic axis."""
    ax.set_xscale("log")
    ax.set_xticks(radii, [f"{r:.3g}" for r in radii])
    ax.xaxis.set_minor_locator(NullLocator())


def _floor(groups: list[np.ndarray]) -> float:
    """Return the lower end of a log axis: below nearly all of what is positive, but not by far."""
    positive = np.concatenate([v[v > 0] for v in groups]) if groups else np.array([])
    if not len(positive):
        return 1e-8
    return float(10.0 ** np.floor(np.log10(np.percentile(positive, 1))))
