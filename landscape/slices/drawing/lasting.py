"""How far the label lasts, in many directions, around the examples of many groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from core.report import words
from core.report.drawing import Drawing, name_lines, plain_ticks
from core.report.figures import subplots
from landscape.figures import Groups
from landscape.figures.groups import counted
from landscape.slices.kinds import ALONG, SHORT
from landscape.slices.summaries import lasting


def distance_forest(summary: pd.DataFrame, groups: Groups, reach: float) -> Drawing:
    """Draw the median distance to the first label change: a line per kind, a mark per group."""
    kinds = list(dict.fromkeys(summary["kind"]))
    names = list(groups.labels)
    figure, axes = subplots(size=(9.5, 1.4 + (0.3 + 0.2 * len(names)) * len(kinds)))
    ax = axes[0, 0]
    offsets = np.linspace(-0.36, 0.36, len(names)) if len(names) > 1 else np.zeros(1)
    ends = _ends(summary, reach)
    for i, kind in enumerate(kinds):
        if i % 2:
            ax.axhspan(i - 0.5, i + 0.5, color="0.965", linewidth=0, zorder=0)
        for offset, group in zip(offsets, names, strict=True):
            row = summary[(summary["kind"] == kind) & (summary["group"] == group)].iloc[0]
            if np.isfinite(row["median"]) and row["median"] > 0:
                _mark(ax, row, i + offset, groups, group, reach, ends[0])
    ax.set_xscale("log")
    ax.set_xlim(*ends)
    ax.axvline(reach, color="0.5", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.annotate("reach", (reach, -0.5), xytext=(3, 2), textcoords="offset points", fontsize=9,
                color="0.35", va="bottom")  # fmt: skip
    wide = ax.get_xlim()[1] > 300 * ax.get_xlim()[0]
    plain_ticks(ax.xaxis, LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=12))
    name_lines(ax, [f"along {ALONG[kind]}" for kind in kinds], size=11)
    ax.set_xlabel("l2 distance to the first change of the label (input units)", fontsize=11)
    handles = [
        Line2D([], [], color=groups.look(g).color, marker=groups.look(g).marker, markersize=7,
               linewidth=2, label=groups.labels[g])
        for g in names
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside upper center", ncols=min(3, len(names)), fontsize=10
    )
    return Drawing(
        "distances",
        figure,
        summary,
        "How far one can go before the label changes, along four kinds of directions: medians over "
        "the examples with their 95 % bootstrap intervals (thick) and quartiles (thin), on a "
        "logarithmic axis. The label is the one predicted at the image itself; gradient and "
        "eigenvector are taken there, uphill. An arrow to the right at the reach: most labels "
        "never changed within it; to the left: the median lies beyond the axis. n is in the table.",
    )


def _ends(summary: pd.DataFrame, reach: float) -> tuple[float, float]:
    """Return the ends of the axis: examples at the boundary itself need not be on it."""
    quartiles = summary.loc[summary["q25"] > 0, "q25"]
    low = float(quartiles.min()) / 1.6 if len(quartiles) else 0.0
    return max(low, reach / 2000), reach * 1.9


def _mark(
    ax: Axes, row: pd.Series, y: float, groups: Groups, group: str, reach: float, low: float
) -> None:
    look = groups.look(group)
    if row["median"] < low:
        ax.plot(low * 1.12, y, look.marker, color=look.color, markersize=6, zorder=4)
        ax.annotate("", (low, y), xytext=(low * 1.5, y), zorder=3,
                    arrowprops={"arrowstyle": "->", "color": look.color})  # fmt: skip
        ax.text(low * 1.6, y, words.number(float(row["median"]), 2), fontsize=9, va="center",
                color=look.color)  # fmt: skip
        return
    ax.plot([row["q25"], row["q75"]], [y, y], color=look.color, linewidth=1, alpha=0.7, zorder=2)
    ax.plot([row["low"], row["high"]], [y, y], color=look.color, linewidth=3.6, alpha=0.55,
            solid_capstyle="butt", zorder=3)  # fmt: skip
    ax.plot(row["median"], y, look.marker, color=look.color, markersize=6, zorder=4)
    if row["median"] >= reach:
        ax.annotate("", (reach * 1.6, y), xytext=(reach, y),
                    arrowprops={"arrowstyle": "->", "color": look.color})  # fmt: skip


def lasting_curves(
    table: pd.DataFrame, kinds: Sequence[str], groups: Groups, reach: float
) -> Drawing:
    """Draw the share of labels that have lasted, against the distance: a panel per kind."""
    figure, axes = subplots(1, len(kinds), size=(9.5 / len(kinds), 3.9), sharey=True)
    at = np.geomspace(reach / 400, reach, 121)
    data = []
    for ax, kind in zip(axes.flat, kinds, strict=True):
        for group, label in groups.labels.items():
            rows = counted(table, group)
            rows = rows[rows[f"{kind}_change"].notna()]
            if len(rows) < 2:
                continue
            band = lasting(
                rows[f"{kind}_change"].to_numpy(float),
                rows[f"{kind}_changed"].to_numpy(float) > 0.5,
                at,
            )
            look = groups.look(group)
            ax.fill_between(at, 100 * band.low, 100 * band.high, color=look.color, alpha=0.15,
                            linewidth=0)  # fmt: skip
            ax.plot(at, 100 * band.estimate, color=look.color, marker=look.marker, markersize=5,
                    markevery=(8, 24), linewidth=1.8, label=label)  # fmt: skip
            data.append(
                pd.DataFrame(
                    {
                        "kind": kind,
                        "group": group,
                        "n": len(rows),
                        "distance": at,
                        "lasting": band.estimate,
                        "low": band.low,
                        "high": band.high,
                    }
                )
            )
        ax.set_xscale("log")
        ax.set_title(SHORT[kind], fontsize=11)
        ax.set_xlim(at[0], at[-1])
        plain_ticks(ax.xaxis, LogLocator(numticks=5))
        ax.tick_params(labelsize=9)
        ax.grid(color="0.92")
    axes[0, 0].set_ylim(-3, 103)
    axes[0, 0].set_ylabel("labels that have lasted, %", fontsize=11)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=10)
    figure.supxlabel("l2 distance from the image (input units)", fontsize=11)
    return Drawing(
        "lasting",
        figure,
        pd.concat(data, ignore_index=True) if data else pd.DataFrame(),
        "The share of the examples whose label has not yet changed at this distance, with 95 % "
        "intervals (Wilson).",
    )
