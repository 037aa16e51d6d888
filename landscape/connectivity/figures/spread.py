"""How barrier, deviation and effort spread over the pairs of every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from core.report.drawing import Drawing, aside, name_lines, plain_ticks
from core.report.figures import subplots
from landscape.connectivity.figures.looks import LOOKS, kinds_of
from landscape.connectivity.ways import STRAIGHT


def spread(pairs: pd.DataFrame, labels: Mapping[str, str], way: str, threshold: float) -> Drawing:
    """Draw, pair by pair, the straight line's barrier, and a search's deviation and gradients."""
    straight, searched = pairs[pairs["path"] == STRAIGHT], pairs[pairs["path"] == way]
    lines = _lines(straight, labels)
    figure, axes = subplots(1, 3, size=(3.3, 0.9 + 0.27 * len(lines)), sharey=True)
    bent = searched[searched["gradients"] > 0]
    shown = (
        (straight, "barrier", "barrier of the\nstraight line (nats)", 1e-3),
        (bent, "deviation", "deviation of the bent\n(lengths of the chord)", 5e-4),
        (bent, "gradients", "gradients\nof the bent", 0.7),
    )
    data: list[dict[str, Any]] = []
    for ax, (table, column, title, floor) in zip(axes[0], shown, strict=True):
        for i, (attack, kind, _) in enumerate(lines):
            rows = table[(table["group"] == attack) & (table["kind"] == kind)]
            values = rows[column].to_numpy(float)
            data.append({"attack": attack, "kind": kind, "of": column, "n": len(values)})
            if len(values):
                data[-1] |= _dots(ax, values, i, floor, LOOKS[kind].color)
            if table is bent:
                ax.text(1.01, i, str(len(values)), transform=ax.get_yaxis_transform(), fontsize=7,
                        va="center", color="0.35")  # fmt: skip
        ax.set_xscale("log")
        ax.set_xlim(left=floor * 0.6)
        ax.set_title(title, fontsize=10, loc="left")
        name_lines(ax, [name for _, _, name in lines], size=8)
    figure.suptitle(
        "How high is the straight line, and how far and how hard is the way around?", x=0.01,
        ha="left", fontsize=13, fontweight="bold",
    )  # fmt: skip
    axes[0, 0].axvline(threshold, color="0.35", linewidth=1, linestyle="--")
    axes[0, 2].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    plain_ticks(axes[0, 2].xaxis)
    return Drawing(
        "spread",
        figure,
        pd.DataFrame(data),
        f"Pair by pair: the barrier of the straight line (dashed: {threshold:g} nats); of those "
        f"pairs for which {way.replace('_', ' ')} bends it (their number at the right), how far "
        "the path strays at most, and how many gradients that takes. Ring: the median; bar: from "
        "the 10th to the 90th percentile. What is smaller than the axis shows, 0 above all, is "
        "drawn at its left end.",
    )


def _lines(straight: pd.DataFrame, labels: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return attack, kind and name of each line."""
    found: list[tuple[str, str, str]] = []
    for attack, label in labels.items():
        for kind, rows in kinds_of(straight, attack).items():
            own = str(rows["group"].iloc[0])
            name = f"{kind}, {label}" if own else kind
            if (own, kind, name) not in found:
                found.append((own, kind, name))
    return found


def _dots(
    ax: Axes, values: np.ndarray, place: float, floor: float, colour: str
) -> dict[str, float]:
    """Draw values as points, with their median and bar, and return these."""
    shown = np.maximum(np.sort(values), floor)
    ax.plot(shown, place + aside(len(shown), 0.55), ".", color=colour, alpha=0.5, markersize=4,
            markeredgewidth=0)  # fmt: skip
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    ends = [max(low, floor), max(high, floor)]
    ax.plot(ends, [place] * 2, color="#222222", linewidth=1.3, solid_capstyle="butt")
    ax.plot(max(middle, floor), place, "o", color="#222222", markerfacecolor="white", markersize=5)
    return {"q10": low, "median": middle, "q90": high, "largest": float(values.max())}
