"""The ways of all recipes from one image, over the loss in their common plane."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from core.report.drawing import Drawing, remove_unused
from core.report.figures import subplots
from landscape.noise.analysis import Analysis
from landscape.noise.drawn import GRID, WAY
from landscape.noise.figures.styles import Look, looks

LEVELS = 9


def planes(
    analysis: Analysis, drawn: pd.DataFrame, labels: Mapping[str, str], names: Mapping[str, str]
) -> Drawing | None:
    """Draw each example's ways in their plane.

    Args:
        analysis: says the families.
        drawn: what `drawn.drawn_ways` returned.
        labels: the names of the recipes.
        names: what each example is called, by id.
    """
    if not len(drawn):
        return None
    ids = list(drawn["id"].drop_duplicates())
    columns = min(2, len(ids))
    figure, axes = subplots(-(-len(ids) // columns), columns, size=(5.9, 5.5))
    styles = looks(analysis.families)
    for ax, name in zip(axes.flat, ids, strict=False):
        own = drawn[drawn["id"] == name]
        _contours(ax, own[own["kind"] == GRID])
        _ways(ax, own[own["kind"] == WAY], styles)
        along = 100 * own[["explained_x", "explained_y"]].iloc[0]
        chance = 100 * float(own["by_chance"].iloc[0])
        ax.set_title(
            f"image of {names.get(name, name)}: {along.sum():.0f} % (by chance {chance:.0f} %)",
            fontsize=12.5,
        )
        ax.set_xlabel(f"first direction, {along.iloc[0]:.0f} % (input units)", fontsize=11)
        ax.set_ylabel(f"second direction, {along.iloc[1]:.0f} %", fontsize=11)
        ax.tick_params(labelsize=10.5)
    remove_unused(figure, axes, len(ids))
    figure.suptitle("The ways of all recipes from one image, in their common plane", fontsize=15,
                    fontweight="bold", x=0.01, ha="left")  # fmt: skip
    shown = [r for r in analysis.families if (drawn["recipe"] == r).any()]
    figure.legend(handles=_handles(shown, styles, labels), loc="outside lower center", ncols=4,
                  fontsize=10.5, columnspacing=1.2)  # fmt: skip
    ways = drawn[drawn["kind"] == WAY].drop(columns=["kind", "lead"])
    return Drawing(
        "planes",
        figure,
        ways,
        "The way of every recipe from one image (cross), projected on the plane through the image "
        "that holds most of all points' squared distance from it; the share is in the title, and "
        "what it would be of ways with the same starts and lengths of steps that turn at random. "
        "Recipes inside the ball begin at one random start (circle), the minimum-norm search walks "
        "twice from the image. Grey: the loss of the true class in this plane, in nats; black "
        "line: the decision boundary there. Large markers: where a way ends, filled if that point "
        "fools the classifier. Ways leave the plane, so that a point may fool on either side of "
        "the line.",
    )


def _contours(ax: Axes, grid: pd.DataFrame) -> None:
    x, y = np.unique(grid["x"]), np.unique(grid["y"])
    order = grid.sort_values(["x", "y"])
    shape = (len(x), len(y))
    loss = order["loss"].to_numpy(float).reshape(shape).T
    lead = order["lead"].to_numpy(float).reshape(shape).T
    top = max(float(loss.max()), 1e-3)
    levels = np.linspace(0, top, LEVELS)
    # Light greys alone: the ways have to be seen on them.
    shades = [str(shade) for shade in np.linspace(1.0, 0.66, len(levels) - 1)]
    ax.contourf(x, y, loss, levels=levels, colors=shades)
    lines = ax.contour(x, y, loss, levels=levels[1:-1], colors="#7A7A7A", linewidths=0.5)
    ax.clabel(lines, levels[1:-1:2], fontsize=8.5, fmt=lambda value: f"{value:.2g}")
    if lead.min() < 0 < lead.max():
        ax.contour(x, y, lead, levels=[0], colors="#000000", linewidths=2.2)
    ax.set_aspect("equal")
    ax.grid(False)


def _ways(ax: Axes, ways: pd.DataFrame, styles: Mapping[str, Look]) -> None:
    for recipe, own in ways.groupby("recipe", sort=False):
        look = styles[str(recipe)]
        for _, run in own.groupby("run", sort=False):
            ax.plot(run["x"], run["y"], color=look.color, linestyle=look.line, linewidth=1.2,
                    alpha=0.8, zorder=3)  # fmt: skip
            last = run.iloc[-1]
            ax.plot(last["x"], last["y"], look.marker, color=look.color, zorder=5,
                    markersize=12 if look.marker == "*" else 8, markeredgewidth=1.4,
                    markerfacecolor=look.color if last["fooled"] else "white")  # fmt: skip
    begins = ways[(ways["step"] == 0) & (ways[["x", "y"]].abs().max(axis=1) > 1e-9)]
    ax.plot(begins["x"], begins["y"], "o", color="#000000", markersize=7, markerfacecolor="none",
            markeredgewidth=1.6, zorder=6)  # fmt: skip
    ax.plot(0, 0, "x", color="#000000", markersize=10, markeredgewidth=2.6, zorder=6)


def _handles(
    recipes: list[str], styles: Mapping[str, Look], labels: Mapping[str, str]
) -> list[Line2D]:
    handles = [
        Line2D([], [], color="#000000", marker="x", linestyle="", markeredgewidth=2.4,
               label="genuine image"),
        Line2D([], [], color="#000000", marker="o", linestyle="", markerfacecolor="none",
               markeredgewidth=1.6, label="random start"),
        Line2D([], [], color="#000000", linewidth=2.2, label="decision boundary"),
        Line2D([], [], color="#7A7A7A", linewidth=0.8, label="loss of true class (nats)"),
    ]  # fmt: skip
    for recipe in recipes:
        look = styles[recipe]
        handles.append(
            Line2D([], [], color=look.color, marker=look.marker, linestyle=look.line,
                   linewidth=1.3, label=labels[recipe])
        )  # fmt: skip
    return handles
