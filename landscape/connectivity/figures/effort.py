"""How many gradients it takes until pairs are connected."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, NullLocator

from core.report.drawing import Drawing
from core.statistics import wilson
from landscape.connectivity.figures.looks import LOOKS, kinds_of, legend, panels, whisker


def effort(
    pairs: pd.DataFrame, labels: Mapping[str, str], way: str, threshold: float, budget: int
) -> Drawing:
    """Draw the share of pairs that is not yet connected after g gradients of a search."""
    searched = pairs[pairs["path"] == way]
    figure, axes = panels(
        labels,
        f"How much does it take to connect a pair? ({way.replace('_', ' ')})",
        "gradients spent on a pair",
        "share of pairs not yet connected",
    )
    steps = np.arange(0, _last(searched, threshold, budget) + 1)
    ticks = [t for t in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if t <= steps[-1]]
    data = []
    for attack, ax in axes.items():
        for place, (kind, rows) in enumerate(kinds_of(searched, attack).items()):
            band = wilson(open_after(rows, steps, threshold), np.full(len(steps), len(rows)))
            ax.step(steps, band.estimate, where="post", color=LOOKS[kind].color, linewidth=1.7)
            whisker(ax, kind, 0.12 + 0.12 * place, band[0])
            data.append(
                pd.DataFrame({"attack": attack, "kind": kind, "n": len(rows), "gradients": steps,
                              "open": band.estimate, "low": band.low, "high": band.high})
            )  # fmt: skip
        ax.set_xscale("symlog", linthresh=2, linscale=0.8)
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticks(ticks, [str(t) for t in ticks])
        ax.set_xlim(0, steps[-1])
    # The panels share their scale, which would else be that of the first.
    highest = max((float(rows["high"].iloc[0]) for rows in data), default=1.0)
    for ax in axes.values():
        ax.set_ylim(0, min(1.03, 1.1 * highest))
    legend(figure, list(pairs["kind"].unique()))
    return Drawing(
        f"effort_{way}",
        figure,
        pd.concat(data, ignore_index=True) if data else pd.DataFrame(),
        f"The share of pairs that {way.replace('_', ' ')} has not yet connected (barrier below "
        f"{threshold:g} nats) when it has spent x gradients on each. At the left are those that "
        "the straight line leaves unconnected, with 95 % intervals (Wilson).",
    )


def open_after(rows: pd.DataFrame, steps: np.ndarray, threshold: float) -> np.ndarray:
    """Return how many pairs are not connected after so many gradients, `(k,)`.

    >>> rows = pd.DataFrame({"gradients": [0, 3, 5], "barrier": [0.0, 0.05, 0.7]})
    >>> open_after(rows, np.array([0, 3, 5, 9]), 0.1).tolist()
    [2, 1, 1, 1]
    """
    spent = np.where(rows["barrier"] < threshold, rows["gradients"], np.inf)
    return (spent[:, None] > steps).sum(0)


def _last(searched: pd.DataFrame, threshold: float, budget: int) -> int:
    """Return the last number of gradients that is drawn."""
    failed = (searched["barrier"] >= threshold).any()
    return int(budget if failed else max(4, searched["gradients"].max()))
