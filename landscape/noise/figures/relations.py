"""Flatness and transfer: over the examples of each recipe, and over the recipes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from core.report import words
from core.report.drawing import Drawing, name_lines, plain_ticks
from core.report.figures import subplots
from core.statistics import Interval
from landscape.noise.analysis import LEAD, Analysis
from landscape.noise.claims import LEVEL
from landscape.noise.figures.styles import COLORS, Look, looks
from landscape.noise.recipes import CLASSIFIER
from landscape.noise.relations import EQUAL


def relations(analysis: Analysis, labels: Mapping[str, str]) -> Drawing | None:
    """Draw the correlation of flatness with transfer over examples, and recipes as points."""
    if not len(analysis.examples):
        return None
    styles = looks(analysis.families)
    own = analysis.examples
    own = own[own["covariate"].str.partition("@")[0] == LEAD]
    names = [recipe for recipe in analysis.families if (own["recipe"] == recipe).any()]
    figure, axes = subplots(1, 2, size=(7.0, 1.6 + 0.36 * len(names)))
    _over_examples(axes[0, 0], own, names, styles, labels)
    _over_recipes(axes[0, 1], analysis, styles)
    handles = [
        Line2D([], [], color=styles[name].color, marker=styles[name].marker, linestyle="",
               label=labels[name])
        for name in names
        if name != analysis.reference
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=10.5)
    figure.suptitle("Do flat examples transfer?", fontsize=15, fontweight="bold", x=0.01, ha="left")
    return Drawing(
        "relations",
        figure,
        own,
        "Left: rank correlation, over the examples of a recipe, of the rise under noise with the "
        "share of other classifiers fooled (left of the line: flatter examples transfer more). "
        "Filled: as it is; open: with the loss at the example held fixed; large markers are "
        "significant after Holm's correction. Right: every recipe as a point: how flat its "
        "examples are and how much they transfer, both compared with sign PGD's on the same image "
        "at equal loss (small crosses: other scales of noisy classifiers). Bars: 95 % intervals.",
    )


def _over_examples(
    ax: Axes,
    rows: pd.DataFrame,
    names: list[str],
    styles: Mapping[str, Look],
    labels: Mapping[str, str],
) -> None:
    ax.axvline(0, color="#222222", linewidth=1)
    for i, name in enumerate(names):
        for held, height in ((False, -0.15), (True, 0.17)):
            part = rows[(rows["recipe"] == name) & ((rows["controlled_for"] != "") == held)]
            if not len(part) or not np.isfinite(part["rho"].iloc[0]):
                continue
            row, look = part.iloc[0], styles[name]
            ax.plot([row["low"], row["high"]], [i + height] * 2, color=look.color, linewidth=1.8)
            ax.plot(row["rho"], i + height, "o", color=look.color,
                    markersize=7.5 if row["p_holm"] < LEVEL else 4, markeredgewidth=1.5,
                    markerfacecolor="white" if held else look.color)  # fmt: skip
    name_lines(ax, [labels[name] for name in names], size=11)
    ax.set_xlim(-1.02, 1.02)
    ax.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
    ax.set_title("Over the examples of a recipe", fontsize=13)
    ax.set_xlabel("rank correlation of rise under noise and transfer", fontsize=11.5)


def _over_recipes(ax: Axes, analysis: Analysis, styles: Mapping[str, Look]) -> None:
    ax.axvline(1, color="#222222", linewidth=1)
    ax.axhline(0, color="#222222", linewidth=1)
    shown = [1.0]
    for recipe in analysis.attacks:
        flat, transfer = analysis.equal(recipe, LEAD), analysis.equal(recipe, "transfer")
        if flat is None or transfer is None or not np.isfinite(flat["estimate"]):
            continue
        if not np.isfinite(transfer["estimate"]):
            continue
        look = styles[recipe]
        y = 100 * transfer[["estimate", "low", "high"]].astype(float)
        ax.plot([flat["low"], flat["high"]], [y["estimate"]] * 2, color=look.color, linewidth=1.2,
                alpha=0.6)  # fmt: skip
        ax.plot([flat["estimate"]] * 2, [y["low"], y["high"]], color=look.color, linewidth=1.2,
                alpha=0.6)  # fmt: skip
        ax.plot(flat["estimate"], y["estimate"], look.marker, color=look.color, markersize=9,
                markeredgecolor="white", zorder=4)  # fmt: skip
        shown += [float(flat["low"]), float(flat["high"])]
    for curve in analysis.curves.values():
        if "flat_same" in curve and "transfer_same" in curve:
            ax.plot(curve["flat_same"], 100 * curve["transfer_same"], "x", markersize=5,
                    color=COLORS[CLASSIFIER], alpha=0.7)  # fmt: skip
    ax.set_xscale("log")
    if len(shown) > 1:
        ax.set_xlim(min(shown) / 1.03, max(shown) * 1.03)
        plain_ticks(ax.xaxis, MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.grid(True)
    told = ""
    if len(analysis.recipes):
        row = analysis.recipes[
            (analysis.recipes["covariate"].str.partition("@")[0] == LEAD)
            & (analysis.recipes["kind"] == EQUAL)
        ]
        if len(row) and np.isfinite(row["rho"].iloc[0]):
            ends = Interval(*(float(row[key].iloc[0]) for key in ("rho", "low", "high")))
            told = f"rank correlation {words.interval(ends)}"
    ax.set_title("Over the recipes, at equal loss" + (f":\n{told}" if told else ""), fontsize=13)
    ax.set_xlabel("rise under noise, times that of sign PGD", fontsize=11.5)
    ax.set_ylabel("fools other classifiers, points more", fontsize=11.5)
