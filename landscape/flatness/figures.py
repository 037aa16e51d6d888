"""The figures of a flatness study, each drawn from the table of measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from core.report import words
from core.report.figures import subplots
from core.report.groups import GroupStyle, group_styles
from core.statistics import bootstrap
from landscape.flatness.comparison import GENUINE, Comparison, headline_columns, twins
from landscape.flatness.measures import MEASURES, Measure, title
from landscape.flatness.table import curves, radii_in

DISPLAYED = 60
"""Examples whose own curves are drawn; the average is over all of them."""


@dataclass(frozen=True)
class Drawing:
    """A figure, the table behind it, and what it shows."""

    name: str
    figure: Figure
    data: pd.DataFrame
    caption: str


class Groups:
    """The groups beside `genuine`, in the order of the report: their short names and looks."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = {GENUINE: GENUINE, **labels}
        self.names = list(labels)
        self._looks = group_styles(list(self.labels.values()))

    def look(self, group: str) -> GroupStyle:
        """Return colour and marker of a group."""
        return self._looks[self.labels[group]]


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
        _lines(ax, [groups.labels[g] for g in groups.names])
        if ratio:
            _ratio_ticks(ax)
    _remove(figure, axes, len(names))
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


def rises(table: pd.DataFrame, measure: Measure, groups: Groups, *, seed: int = 0) -> Drawing:
    """Draw the rise of the loss against the radius: every example, and their average."""
    radii = radii_in(table.columns, measure.name)
    across = min(3, len(groups.labels))
    figure, axes = subplots(
        -(-len(groups.labels) // across), across, size=(9.5 / across, 2.7), sharex=True, sharey=True
    )
    data, averages = [], {}
    for group in groups.labels:
        rows = _counted(table, group)
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
    _remove(figure, axes, len(groups.labels))
    for ax in figure.axes:
        _radius_axis(ax, radii)
        ax.set_yscale("log")
        ax.tick_params(labelsize=8)
    axes[0, 0].set_ylim(bottom=floor)
    axes[0, 0].yaxis.set_major_locator(LogLocator(numticks=8))
    _xlabel(figure, f"{measure.axis} (input units)")
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


def pairs(table: pd.DataFrame, groups: Groups) -> Drawing:
    """Draw the distribution over pairs of log10(group / genuine twin), for every measure."""
    columns = {
        name: measure for name, measure in headline_columns(table).items() if measure.logarithmic
    }

    def panel(ax: Axes, group: str, name: str, position: float) -> dict[str, float]:
        ours, genuine = twins(table, group)
        both = (ours[name].to_numpy(float) > 0) & (genuine[name].to_numpy(float) > 0)
        ratio = np.log10(ours[name].to_numpy(float)[both] / genuine[name].to_numpy(float)[both])
        _violin(ax, ratio, position, groups.look(group).color)
        return {"n": len(ours), "drawn": int(both.sum()), **_quartiles(ratio)}

    figure, data = _panels(columns, groups.names, groups, panel)
    for ax in figure.axes:
        ax.axvline(0, color="0.35", linewidth=1)
    _xlabel(figure, "log10 of (adversarial / its genuine twin); 0: as flat, 1: ten times sharper")
    return Drawing(
        "pairs",
        figure,
        data,
        "Paired differences: each example against its own genuine twin. Bars: quartiles and "
        "median. Pairs in which a value is not positive have no ratio and are left out here (the "
        "table counts them).",
    )


def distributions(table: pd.DataFrame, groups: Groups) -> Drawing:
    """Draw the distribution of every measure in every group."""

    def panel(ax: Axes, group: str, name: str, position: float) -> dict[str, float]:
        values = _counted(table, group)[name].to_numpy(float)
        shown = np.log10(values[values > 0]) if columns[name].logarithmic else values
        _violin(ax, shown, position, groups.look(group).color)
        return {"n": len(values), "drawn": len(shown), **_quartiles(shown)}

    columns = {"loss": Measure("loss", "loss at the centre", "nats")} | headline_columns(table)
    figure, data = _panels(columns, list(groups.labels), groups, panel)
    for ax, (name, measure) in zip(figure.axes, columns.items(), strict=False):
        scale = "log10, " if measure.logarithmic else ""
        ax.set_xlabel(f"{scale}{measure.unit}", fontsize=8)
        ax.set_title(title(name, short=True), loc="left", fontsize=9)
    return Drawing(
        "distributions",
        figure,
        data,
        "Every measure in every group; the first panel is the confounder, the loss at the centre. "
        "Bars: quartiles and median. Values that are not positive have no place on a log axis.",
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
        _lines(
            ax, ["loss alone (baseline)" if n == "loss" else title(n, short=True) for n in names]
        )
        ax.set_xlim(-0.03, 1.03)
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    _xlabel(figure, "AUC of “the group's value is larger”: filled raw, open matched on the loss")
    return Drawing(
        "discrimination",
        figure,
        rows,
        "How well each measure alone tells the group from genuine images; .5 is chance, 0 and 1 "
        "are perfect. Filled: raw; open: matched on the loss. The first line is the trivial "
        "baseline, the loss at the centre.",
    )


def stability(table: pd.DataFrame, groups: Groups, *, seed: int = 0) -> Drawing:
    """Draw the share of Gaussian noise that keeps the label, against its standard deviation."""
    figure, axes = subplots(size=(6.4, 4.0))
    ax = axes[0, 0]
    sigmas = radii_in(table.columns, "stability")
    data = []
    for group, label in groups.labels.items():
        values = curves(_counted(table, group), "stability")[1]
        if len(values) < 2:
            continue
        own = groups.look(group)
        average = bootstrap(values, seed=seed, method="percentile", resamples=1000)
        ax.fill_between(sigmas, average.low, average.high, color=own.color, alpha=0.2, linewidth=0)
        ax.plot(sigmas, average.estimate, color=own.color, marker=own.marker, markersize=5,
                label=f"{label}, n = {len(values)}")  # fmt: skip
        data.append(pd.DataFrame({"group": group, "sigma": sigmas, "n": len(values),
                                  "mean": average.estimate, "low": average.low,
                                  "high": average.high}))  # fmt: skip
    _radius_axis(ax, sigmas)
    ax.set_xlabel("standard deviation of the noise per pixel (input units)")
    ax.set_ylabel("share that keeps the label")
    ax.set_ylim(top=1.02)
    ax.grid(color="0.92")
    figure.legend(fontsize=9, loc="outside lower center", ncols=2)
    return Drawing(
        "stability",
        figure,
        pd.concat(data, ignore_index=True),
        "How much Gaussian noise the label survives: average over the examples with its 95 % "
        "bootstrap band.",
    )


def _counted(table: pd.DataFrame, group: str) -> pd.DataFrame:
    """Return the rows of a group that enter the comparisons."""
    if group != GENUINE:
        return twins(table, group)[0]
    rows = table[(table["group"] == GENUINE) & ~table["pool"]]
    return rows[rows["clean_correct"].astype(bool) & rows["loss"].notna()]


def _measure(column_name: str) -> Measure:
    return MEASURES[column_name.split("@")[0]]


def _ratio_ticks(ax: Axes) -> None:
    """Label a short logarithmic axis with 0.5, 1, 2, a long one with powers of ten."""
    low, high = ax.get_xlim()
    if high / low < 200:
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
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


def _lines(ax: Axes, names: list[str]) -> None:
    """Name the lines of a panel, the first on top."""
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(False, axis="y")
    ax.grid(True, axis="x")


def _xlabel(figure: Figure, text: str) -> None:
    figure.supxlabel(text, fontsize=10)


def _radius_axis(ax: Axes, radii: list[float]) -> None:
    """Mark the radii themselves on a logarithmic axis."""
    ax.set_xscale("log")
    ax.set_xticks(radii, [f"{r:.3g}" for r in radii])
    ax.xaxis.set_minor_locator(NullLocator())


def _remove(figure: Figure, axes: np.ndarray, used: int) -> None:
    for ax in axes.flat[used:]:
        figure.delaxes(ax)


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
    columns: Mapping[str, Measure],
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
        _lines(ax, [groups.labels[g] for g in names])
        ax.set_title(title(column, short=True), loc="left", fontsize=9)
    _remove(figure, axes, len(columns))
    return figure, pd.DataFrame(data)


def _floor(groups: list[np.ndarray]) -> float:
    """Return the lower end of a log axis: below nearly all of what is positive, but not by far."""
    positive = np.concatenate([v[v > 0] for v in groups]) if groups else np.array([])
    if not len(positive):
        return 1e-8
    return float(10.0 ** np.floor(np.log10(np.percentile(positive, 1))))
