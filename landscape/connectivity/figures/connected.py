"""How many pairs the straight line connects, whatever the barrier allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.report.drawing import Drawing
from core.statistics import wilson
from landscape.connectivity.figures.looks import LOOKS, kinds_of, legend, panels, whisker
from landscape.connectivity.ways import STRAIGHT

_ALLOWED = np.geomspace(1e-3, 10, 81)


def connected(pairs: pd.DataFrame, labels: Mapping[str, str], threshold: float) -> Drawing:
    """Draw the share of pairs whose straight line rises less than x, for every kind of pair."""
    straight = pairs[pairs["path"] == STRAIGHT]
    figure, axes = panels(
        labels,
        "Which pairs does the straight line connect?",
        "barrier allowed (nats)",
        "share of pairs connected",
    )
    data = []
    for attack, ax in axes.items():
        of_kind = kinds_of(straight, attack)
        ax.axvline(threshold, color="0.35", linewidth=1, linestyle="--")
        for place, (kind, rows) in enumerate(of_kind.items()):
            barriers = rows["barrier"].to_numpy(float)
            found = shares(barriers, _ALLOWED)
            ax.plot(_ALLOWED, found["share"], color=LOOKS[kind].color, linewidth=1.7)
            aside = threshold * 1.13 ** (place - (len(of_kind) - 1) / 2)
            whisker(ax, kind, aside, wilson(int((barriers < threshold).sum()), len(barriers)))
            data.append(found.assign(attack=attack, kind=kind, n=len(rows)))
        ax.set_xscale("log")
        ax.set_xlim(_ALLOWED[0], _ALLOWED[-1])
        ax.set_ylim(0, 1.03)
    legend(figure, list(pairs["kind"].unique()))
    sizes = straight.groupby(["kind", "group"]).size()
    return Drawing(
        "connected",
        figure,
        pd.concat(data, ignore_index=True) if data else pd.DataFrame(),
        "The share of pairs whose straight line rises less than x above the larger loss of its "
        f"ends; {_counts(sizes)} pairs of each kind. Dashed: the threshold of {threshold:g} nats "
        "that searched paths have to stay below; beside it the shares there with their 95 % "
        "intervals (Wilson). One panel for each attack; genuine-genuine pairs are the same in all.",
    )


def shares(barriers: np.ndarray, allowed: np.ndarray) -> pd.DataFrame:
    """Return which share of barriers lies below each that is allowed, with its interval."""
    below = (barriers[:, None] < allowed).sum(0)
    interval = wilson(below, np.full(len(allowed), len(barriers)))
    columns: dict[str, Any] = {
        "allowed": allowed, "share": interval.estimate, "low": interval.low, "high": interval.high
    }  # fmt: skip
    return pd.DataFrame(columns)


def _counts(sizes: pd.Series) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low}" if low == high else f"{low} to {high}"
