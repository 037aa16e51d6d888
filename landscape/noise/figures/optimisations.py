"""How the optimisations go: loss and success over the gradients spent, turns and detours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator

from core.report.drawing import Drawing, name_lines, plain_ticks, remove_unused
from core.report.figures import subplots
from landscape.noise.analysis import Analysis
from landscape.noise.curves import fooled_curve, loss_curve
from landscape.noise.figures.styles import COLORS, looks
from landscape.noise.recipes import CONTROL, FAMILIES, REFERENCE

BOUNDARY = float(np.log(2))
"""Where the loss of the true class is above it, another class is more likely than not."""


def losses(analysis: Analysis, followed: pd.DataFrame, labels: Mapping[str, str]) -> Drawing:
    """Draw the loss of the true class over the gradients spent, a panel per family."""

    def draw(ax: Axes, recipe: str, color: str, label: str, reference: bool) -> pd.DataFrame:
        curve = loss_curve(followed[followed["recipe"] == recipe])
        floor = 1e-9
        if not reference:
            ax.fill_between(curve["spent"], curve["q25"].clip(lower=floor), curve["q75"],
                            color=color, alpha=0.13, linewidth=0)  # fmt: skip
        ax.plot(curve["spent"], curve["median"].clip(lower=floor), color=color, label=label,
                linestyle="--" if reference else "-", linewidth=1.8 if reference else 2.2,
                zorder=4 if reference else 3)  # fmt: skip
        return curve.assign(recipe=recipe)

    figure, axes, data = _by_family(analysis, followed, labels, draw)
    for ax in axes:
        ax.set_yscale("log")
        ax.axhline(BOUNDARY, color="#222222", linewidth=1, linestyle=":")
        ax.annotate("ln 2", (0.01, BOUNDARY), xycoords=("axes fraction", "data"), fontsize=10,
                    va="bottom")  # fmt: skip
        plain_ticks(ax.yaxis, LogLocator(numticks=7))
    n = int(data["n"].max())
    title = f"Loss of the true class while the optimisation runs (nats), {n} images"
    _entitle(figure, analysis, labels, title)
    return Drawing(
        "losses",
        figure,
        data,
        f"The loss of the true class at the point that an optimisation has reached, as the "
        f"classifier without noise sees it: median over {n} images, band: quartiles. Dashed black: "
        f"{labels[analysis.reference]}. Dotted: ln 2; above it another class is likely to win. The "
        "minimum-norm search probes the classes first, at the image, and walks from there twice.",
    )


def fooled(analysis: Analysis, followed: pd.DataFrame, labels: Mapping[str, str]) -> Drawing:
    """Draw the share of images that were fooled by some point so far, a panel per family."""

    def draw(ax: Axes, recipe: str, color: str, label: str, reference: bool) -> pd.DataFrame:
        curve = fooled_curve(followed[followed["recipe"] == recipe])
        shown = [100 * curve[key] for key in ("share", "low", "high")]
        if not reference:
            ax.fill_between(curve["spent"], shown[1], shown[2], color=color, alpha=0.13,
                            linewidth=0)  # fmt: skip
        ax.plot(curve["spent"], shown[0], color=color, label=label,
                linestyle="--" if reference else "-", linewidth=1.8 if reference else 2.2,
                zorder=4 if reference else 3)  # fmt: skip
        return curve.assign(recipe=recipe)

    figure, axes, data = _by_family(analysis, followed, labels, draw)
    for ax in axes:
        ax.set_ylim(-3, 103)
        ax.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    n = int(data["n"].max())
    title = f"Images fooled so far, % of the {n} that were right"
    _entitle(figure, analysis, labels, title)
    return Drawing(
        "fooled",
        figure,
        data,
        f"The share of {n} images for which some point up to there fools the classifier without "
        f"noise; bands: 95 % Wilson intervals. Dashed black: {labels[analysis.reference]}.",
    )


def _entitle(figure: Figure, analysis: Analysis, labels: Mapping[str, str], title: str) -> None:
    """Say what all panels show, and what the lines are that they share."""
    figure.suptitle(title, fontsize=15, fontweight="bold", x=0.01, ha="left")
    handles = [
        Line2D([], [], color=COLORS[REFERENCE], linestyle="--", linewidth=1.8,
               label=f"{labels[analysis.reference]}, in every panel")
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", fontsize=11)


def _by_family(
    analysis: Analysis,
    followed: pd.DataFrame,
    labels: Mapping[str, str],
    draw: Callable[[Axes, str, str, str, bool], pd.DataFrame],
) -> tuple[Figure, list[Axes], pd.DataFrame]:
    """Draw a panel per family, with the reference in each."""
    styles = looks(analysis.families)
    known = set(followed["recipe"])
    members = {
        family: [recipe for recipe in analysis.of_family(family) if recipe in known]
        for family in FAMILIES
        if family not in (CONTROL, REFERENCE)
    }
    shown = {family: recipes for family, recipes in members.items() if recipes}
    if not shown:
        shown = {REFERENCE: []}
    columns = min(2, len(shown))
    figure, axes = subplots(
        -(-len(shown) // columns), columns, size=(6.0, 3.9), sharex=True, sharey=True
    )
    data: list[pd.DataFrame] = []
    for ax, (family, recipes) in zip(axes.flat, shown.items(), strict=False):
        for recipe in recipes:
            data.append(draw(ax, recipe, styles[recipe].member, labels[recipe], False))
        if analysis.reference in known:
            reference = draw(ax, analysis.reference, styles[analysis.reference].color, "", True)
            data += [reference] if family == next(iter(shown)) else []
        ax.set_title(family[0].upper() + family[1:])
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.tick_params(labelbottom=True)
        if recipes:
            ax.legend(fontsize=10.5, loc="lower right", frameon=True, framealpha=0.85,
                      edgecolor="none")  # fmt: skip
        ax.set_xlabel("gradients spent on the image", fontsize=12)
    remove_unused(figure, axes, len(shown))
    return figure, list(figure.axes), pd.concat(data, ignore_index=True)


def turns(analysis: Analysis, labels: Mapping[str, str]) -> Drawing | None:
    """Draw how sharply the ways turn, and how long they are for the distance they get."""
    if not len(analysis.ways):
        return None
    styles = looks(analysis.families)
    names = [r for r in analysis.families if (analysis.ways["recipe"] == r).any()]
    figure, axes = subplots(1, 2, size=(6.2, 1.5 + 0.36 * len(names)), sharey=True)
    for ax, (measure, title, axis) in zip(
        axes.flat,
        (
            ("cosine", "Turns", "cosine between successive steps"),
            ("tortuosity", "Detours", "length of the way over net distance"),
        ),
        strict=True,
    ):
        own = analysis.ways[analysis.ways["measure"] == measure].set_index("recipe")
        for i, name in enumerate(names):
            if name not in own.index:
                continue
            row, look = own.loc[name], styles[name]
            ax.plot([row["q25"], row["q75"]], [i, i], color=look.color, linewidth=6, alpha=0.3,
                    solid_capstyle="butt")  # fmt: skip
            ax.plot([row["low"], row["high"]], [i, i], color=look.color, linewidth=2)
            ax.plot(row["median"], i, "o", color=look.color, markersize=7)
        ax.set_title(title)
        ax.set_xlabel(axis)
        name_lines(ax, [labels[name] for name in names], size=11)
    axes[0, 0].axvline(0, color="#222222", linewidth=1)
    axes[0, 1].axvline(1, color="#222222", linewidth=1)
    return Drawing(
        "turns",
        figure,
        analysis.ways,
        "Left: the mean cosine between one step and the next of an image's optimisation; 1 is "
        "straight on, 0 a right angle (as for independent random steps), -1 straight back. Right: "
        "how many times longer the way is than the distance between its ends (1: straight). Point "
        "and thin bar: median over the images with its 95 % interval; wide bar: quartiles.",
    )
