"""What every recipe finds, compared with the reference: raw, and at equal loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator

from core.report.drawing import Drawing, plain_ticks
from core.report.figures import subplots
from core.statistics import Interval
from landscape.measures import measure_of
from landscape.noise.analysis import LEAD, Analysis
from landscape.noise.claims import compared_claim, gain_claim, interval_of
from landscape.noise.figures.styles import COLORS, Look, looks
from landscape.noise.measures import ALL
from landscape.noise.rates import OWN, of_victim


@dataclass(frozen=True)
class Told:
    """A comparison of a recipe with the reference as it is drawn."""

    found: Interval
    sure: bool
    n: int


@dataclass(frozen=True)
class Panel:
    """One aspect of the comparison.

    Attributes:
        name: in the table behind the figure.
        title: what a reader sees.
        axis: its unit.
        null: the value of no difference.
        logarithmic: whether ratios are drawn.
        raw: gives the raw comparison of a recipe; None: it is not drawn.
        equal: gives the comparison at equal loss; None: it is not drawn.
    """

    name: str
    title: str
    axis: str
    null: float
    logarithmic: bool
    raw: Callable[[str], Told | None] | None = None
    equal: Callable[[str], Told | None] | None = None


def against(analysis: Analysis, labels: Mapping[str, str], budget: str) -> Drawing:
    """Draw every recipe beside the reference: success, loss, distance, flatness, transfer, paths.

    Args:
        analysis: what was compared.
        labels: the names of the recipes.
        budget: in words, such as `20 gradients, linf 0.2`.
    """
    panels = panels_of(analysis)
    names = analysis.attacks
    styles = looks(analysis.families)
    columns = -(-len(panels) // 2)
    figure, axes = subplots(
        2, columns, size=(3.0 + 2.6 / columns, 1.2 + 0.27 * len(names)), sharey=True
    )
    data = []
    for ax, panel in zip(axes.flat, panels, strict=False):
        data += _panel(ax, panel, names, styles)
    for ax in axes.flat[len(panels) :]:
        figure.delaxes(ax)
    for ax in axes[:, 0]:
        ax.set_yticks(range(len(names)), [labels[name] for name in names], fontsize=11)
    _separate(axes, analysis, names)
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    _legend(figure, analysis)
    table = pd.DataFrame(data)
    figure.suptitle(
        f"What each recipe finds, compared with {labels[analysis.reference]} ({budget})",
        fontsize=15, fontweight="bold", x=0.01, ha="left",
    )  # fmt: skip
    counts = table[table["aspect"] == "l2"].groupby("kind")["n"].agg(["min", "max"])
    numbers = "; ".join(
        f"{kind}: {int(row['min'])} to {int(row['max'])}" for kind, row in counts.iterrows()
    )
    return Drawing(
        "against",
        figure,
        table,
        f"Each recipe's examples beside those of {labels[analysis.reference]} ({budget}). Filled: "
        "the examples that both make of the same image, as they are. Open: the same where both "
        "have nearly the same loss (within a factor of 2, the rest taken out by a regression). "
        "Bars: 95 % intervals; large markers are significant after Holm's correction over recipes "
        "and measures. No open marker: fewer than 20 images on which both reach such a loss. "
        f"Images: {numbers}.",
    )


def panels_of(analysis: Analysis) -> list[Panel]:
    """Return the aspects that were measured, in two rows: where it gets, and what is there."""
    own, others = of_victim(analysis.gains, OWN), of_victim(analysis.gains)
    times = "times that of sign PGD"
    panels = [
        Panel("success", "Fools its own classifier", "points more than sign PGD", 0, False,
              lambda recipe: _gain(own, recipe)),
        _measure(analysis, "true_loss", "Loss of the true class", "nats more than sign PGD", RAW),
        _measure(analysis, "l2", "Distance from the image", f"l2, {times}", BOTH),
        _measure(analysis, LEAD, "Rise under noise, raw", times, RAW),
        _measure(analysis, LEAD, "Rise under noise, equal loss", f"{times}; left: flatter", EQUAL),
        _measure(analysis, "worst_linf_rise", "Worst-case rise, equal loss",
                 f"{times}; left: flatter", EQUAL),
    ]  # fmt: skip
    if len(others) and (others["n"] > 0).any():
        shares = _measure(analysis, "transfer", "", "", EQUAL, 100.0)
        panels.insert(3, Panel("transfer", "Fools other classifiers", "points more than sign PGD",
                               0, False, lambda recipe: _gain(others, recipe), shares.equal)
        )  # fmt: skip
    if any(analysis.raw(recipe, "class_barrier") is not None for recipe in analysis.attacks):
        panels.append(
            _measure(analysis, "class_barrier", "Barrier to its class",
                     "nats more; left: better connected", BOTH)
        )  # fmt: skip
    return panels


RAW, EQUAL, BOTH = ("raw",), ("equal",), ("raw", "equal")


def _gain(rows: pd.DataFrame, recipe: str) -> Told | None:
    for _, row in rows[rows.index == recipe].iterrows():
        found = interval_of(row, "gain").transform(lambda share: 100 * share)
        return Told(found, bool(gain_claim(row)), int(row["n"]))
    return None


def _measure(
    analysis: Analysis,
    name: str,
    title: str,
    axis: str,
    kinds: tuple[str, ...],
    scale: float = 1.0,
) -> Panel:
    ratio = measure_of(name, ALL).logarithmic
    return Panel(
        name, title, axis, 1.0 if ratio else 0.0, ratio,
        (lambda recipe: _told(analysis.raw(recipe, name), scale)) if "raw" in kinds else None,
        (lambda recipe: _told(analysis.equal(recipe, name), scale)) if "equal" in kinds else None,
    )  # fmt: skip


def _told(row: pd.Series | None, scale: float) -> Told | None:
    if row is None or not np.isfinite(row["estimate"]):
        return None
    found = interval_of(row).transform(lambda value: scale * value)
    return Told(found, bool(compared_claim(row)), int(row["n"]))


def _panel(
    ax: Axes, panel: Panel, names: list[str], styles: Mapping[str, Look]
) -> list[dict[str, object]]:
    ax.axvline(panel.null, color="#222222", linewidth=1, zorder=1)
    data: list[dict[str, object]] = []
    shown: list[float] = [panel.null]
    for i, name in enumerate(names):
        for kind, tell, height in (("raw", panel.raw, -0.15), ("equal loss", panel.equal, 0.19)):
            told = None if tell is None else tell(name)
            if told is None:
                continue
            estimate, low, high = told.found.estimate, told.found.low, told.found.high
            row = {"recipe": name, "aspect": panel.name, "kind": kind, "estimate": estimate}
            data.append(row | {"low": low, "high": high, "significant": told.sure, "n": told.n})
            if panel.logarithmic and not low > 0:
                continue
            look = styles[name]
            raw = kind == "raw"
            y = i + (height if panel.equal and panel.raw else 0.0)
            ax.plot([low, high], [y, y], color=look.color, linewidth=1.8,
                    alpha=0.55 if raw else 1.0, solid_capstyle="butt", zorder=2)  # fmt: skip
            ax.plot(estimate, y, "o", color=look.color, markersize=7.5 if told.sure else 4,
                    markerfacecolor=look.color if raw else "white", markeredgewidth=1.5,
                    alpha=0.75 if raw else 1.0, zorder=3)  # fmt: skip
            shown += [low, high, estimate]
    if panel.logarithmic:
        _ratios(ax, np.array(shown))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    ax.set_title(panel.title, fontsize=12.5)
    ax.set_xlabel(panel.axis, fontsize=11)
    ax.tick_params(labelsize=11)
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")
    return data


def _ratios(ax: Axes, shown: np.ndarray) -> None:
    """Draw ratios on a logarithmic axis that holds all intervals."""
    ax.set_xscale("log")
    low, high = min(float(shown.min()), 1 / 1.02), max(float(shown.max()), 1.02)
    room = (high / low) ** 0.06
    ax.set_xlim(low / room, high * room)
    narrow = high < 4 * low
    many = LogLocator(subs=(1.0, 2.0, 5.0) if high < 300 * low else (1.0,), numticks=7)
    plain_ticks(ax.xaxis, MaxNLocator(5, steps=[1, 2, 5, 10]) if narrow else many)


def _separate(axes: np.ndarray, analysis: Analysis, names: list[str]) -> None:
    """Draw a line between families."""
    for i in range(1, len(names)):
        if analysis.families[names[i]] != analysis.families[names[i - 1]]:
            for ax in axes.flat:
                ax.axhline(i - 0.5, color="#BBBBBB", linewidth=0.8, linestyle=":")


def _legend(figure: Figure, analysis: Analysis) -> None:
    families = list(dict.fromkeys(analysis.families[name] for name in analysis.attacks))
    handles: list[Line2D | Patch] = [
        Line2D([], [], color="0.25", marker="o", markersize=7.5, linestyle="",
               label="on the same images"),
        Line2D([], [], color="0.25", marker="o", markerfacecolor="white", markersize=7.5,
               linestyle="", label="on the same images at equal loss"),
        Line2D([], [], color="0.25", marker="o", markersize=4, linestyle="",
               label="not significant"),
        *(Patch(color=COLORS[family], label=family) for family in families),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=11,
                  handletextpad=0.5, columnspacing=1.4)  # fmt: skip
