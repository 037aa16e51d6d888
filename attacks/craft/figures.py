"""The figures of a crafting study, each drawn from the table of examples alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator

from attacks.craft.findings import fooled
from attacks.recipe_lists import is_control
from core.report import words
from core.report.drawing import Drawing, aside, name_lines, plain_ticks
from core.report.figures import subplots
from core.report.groups import GroupStyle, group_styles

POINTS = 150
"""Examples drawn as points of their own; quartiles are of all."""


def looks(labels: Mapping[str, str]) -> dict[str, GroupStyle]:
    """Return the style of every recipe."""
    styles = group_styles(list(labels.values()))
    return {recipe: styles[label] for recipe, label in labels.items()}


def success(rows: pd.DataFrame, styles: Mapping[str, GroupStyle]) -> Drawing:
    """Draw the share of correctly classified images that each recipe fools, with its interval."""
    figure, axes = subplots(size=(9.5, 1.1 + 0.48 * len(rows)))
    ax = axes[0, 0]
    for i, (_, row) in enumerate(rows.iterrows()):
        look = styles[row["recipe"]]
        ax.plot([100 * row["low"], 100 * row["high"]], [i, i], color=look.color, linewidth=3)
        ax.plot(100 * row["success"], i, look.marker, color=look.color, markersize=9)
        ax.annotate(
            f"{words.percent(row['success'])}, {row['fooled']} of {row['clean_correct']}",
            (1.02, i),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=11,
        )
    name_lines(ax, list(rows["label"]))
    several = rows[~rows["recipe"].map(is_control)]["recipe"].nunique() > 1
    ax.set_xlim(-2, 102)
    ax.set_xlabel("fooled, % of the correctly classified images")
    return Drawing(
        "success",
        figure,
        rows,
        "How many of the correctly classified images each recipe fools, as verified, with 95 % "
        "Clopper-Pearson intervals."
        + " Recipes of different norms or radii are not rivals." * several
        + " Noise is the control." * bool(rows["recipe"].map(is_control).any()),
    )


def passes(
    table: pd.DataFrame, labels: Mapping[str, str], styles: Mapping[str, GroupStyle]
) -> Drawing:
    """Draw the share fooled with at most so many passes, for each recipe."""
    figure, axes = subplots(size=(9.5, 4.2))
    ax = axes[0, 0]
    data: list[pd.DataFrame] = []
    for recipe, label in labels.items():
        own = table[(table["recipe"] == recipe) & table["clean_correct"].astype(bool)]
        if is_control(recipe) or not len(own):
            continue
        spent = (own["forwards"] + own["backwards"]).to_numpy()
        won = np.sort(spent[fooled(own).to_numpy()])
        x = np.array([*won, spent.max()])
        y = np.array([*np.arange(1, len(won) + 1), len(won)]) / len(own)
        # From nothing at the first success; flat to the end of the longest search.
        x, y = np.array([x[0], *x]), np.array([0.0, *y])
        look = styles[recipe]
        # Several recipes may spend the same: later ones lie inside earlier ones.
        room = len(labels) - len(data)
        wider = room * min(1, 5 / len(labels))
        ax.step(x, 100 * y, where="post", color=look.color, linewidth=1.4 + 0.6 * wider, alpha=0.8)
        ax.plot(x[-1], 100 * y[-1], look.marker, color=look.color, label=label,
                markersize=6 + 2 * wider, markerfacecolor="none", markeredgewidth=2)  # fmt: skip
        data.append(pd.DataFrame({"recipe": recipe, "passes": x, "share": y}))
    ax.set_xscale("log")
    plain_ticks(ax.xaxis, LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    ax.set_ylim(-4, 108)
    ax.set_xlabel("forward and backward passes spent on the image")
    ax.set_ylabel("fooled, %")
    if data:
        figure.legend(loc="outside lower center", ncols=2)
    return Drawing(
        "passes",
        figure,
        pd.concat(data, ignore_index=True) if data else pd.DataFrame(),
        "Share of the correctly classified images whose attack ended in success within so many "
        "passes, forward and backward counted alike. A step that rises at once is an attack that "
        "spends the same on every image; one that rises slowly stops at its first success.",
    )


def distances(
    table: pd.DataFrame, labels: Mapping[str, str], styles: Mapping[str, GroupStyle]
) -> Drawing:
    """Draw how far each recipe moves the images it fools, in l2 and linf."""
    figure, axes = subplots(1, 2, size=(4.75, 0.9 + 0.5 * len(labels)), sharey=True)
    data = []
    for ax, norm in zip(axes.flat, ("l2", "linf"), strict=True):
        for i, recipe in enumerate(labels):
            own = table[(table["recipe"] == recipe) & table["clean_correct"].astype(bool)]
            moved = own if is_control(recipe) else own[fooled(own)]
            values = moved[norm].to_numpy(float)
            values = np.sort(values[np.isfinite(values) & (values > 0)])
            quartiles = (
                np.quantile(values, [0.25, 0.5, 0.75]) if len(values) else np.full(3, np.nan)
            )
            data.append({"recipe": recipe, "norm": norm, "n": len(values)}
                        | dict(zip(("q25", "median", "q75"), quartiles, strict=True)))  # fmt: skip
            if len(values):
                _strip(ax, values, quartiles, i, styles[recipe])
        ax.set_xscale("log")
        ax.set_title(norm)
        # Lengths of one recipe often differ in nothing but rounding.
        low, high = (edge * by for edge, by in zip(ax.get_xlim(), (1 / 1.2, 1.2), strict=True))
        ax.set_xlim(low, high)
        subs = (1.0,) if high > 100 * low else (1.0, 2.0, 5.0)
        narrow = high < 5 * low
        plain_ticks(ax.xaxis, MaxNLocator(4) if narrow else LogLocator(subs=subs))
    name_lines(axes[0, 0], list(labels.values()))
    axes[0, 1].grid(True, axis="x")
    axes[0, 1].grid(False, axis="y")
    all_of_them = " (noise: all of them)" if any(map(is_control, labels)) else ""
    figure.supxlabel("distance from the genuine image (input units)", fontsize=13)
    return Drawing(
        "distances",
        figure,
        pd.DataFrame(data),
        f"How far the fooled images were moved{all_of_them}. Points: single images (at most "
        f"{POINTS}); bar: quartiles; circle: median.",
    )


def _strip(ax: Axes, values: np.ndarray, quartiles: np.ndarray, row: int, look: GroupStyle) -> None:
    shown = values[np.unique(np.linspace(0, len(values) - 1, POINTS).astype(int))]
    places = row + aside(len(shown), 0.6)
    ax.plot(shown, places, linestyle="none", marker=look.marker, markersize=3.5, alpha=0.45,
            color=look.color, markeredgewidth=0)  # fmt: skip
    ax.plot(quartiles[[0, 2]], [row, row], color="#222222", linewidth=4, solid_capstyle="butt")
    ax.plot(quartiles[1], row, "o", markersize=7, color="white", markeredgecolor="#222222")
