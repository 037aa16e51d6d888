"""Levels and colour scales: the same for all panels that are to be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import BoundaryNorm, Normalize
from matplotlib.ticker import MaxNLocator

DECADES = 1.5
"""A loss that spans more decades than this is drawn on a logarithmic scale."""


@dataclass(frozen=True)
class Scale:
    """Levels of filled contours.

    Attributes:
        levels: ascending.
        ticks: those of them that the colour bar names.
        logarithmic: whether they are powers of ten.
        colours: name of the colour map.
    """

    levels: np.ndarray
    ticks: np.ndarray
    logarithmic: bool
    colours: str

    @property
    def norm(self) -> Normalize:
        """From a value to the colour of its band, all bands equally far apart."""
        return BoundaryNorm(self.levels, 256, extend="both")

    def text(self, value: float) -> str:
        """Return a level as its label says it."""
        if self.logarithmic:
            power = round(float(np.log10(value)))
            known = {-2: "0.01", -1: "0.1", 0: "1", 1: "10", 2: "100"}
            return known.get(power, f"$10^{{{power}}}$")
        return f"{value:g}".replace("-", "−")


def loss_scale(losses: Iterable[np.ndarray]) -> Scale:
    """Return the levels for losses: of powers of ten where they span decades, else equal steps.

    What lies beyond the outermost levels, half a per cent on either side, has a colour of its own.
    """
    values = np.concatenate([np.ravel(v) for v in losses])
    low, high = (float(end) for end in np.percentile(values, [0.5, 99.5]))
    positive = values[values > 0]
    if values.min() >= 0 and len(positive) > 0.98 * len(values):
        least = max(float(np.percentile(positive, 0.5)), high * 1e-12)
        if np.log10(high / least) > DECADES:
            return _powers_of_ten(int(np.floor(np.log10(least))), int(np.ceil(np.log10(high))))
    if not high > low:
        low, high = low - 0.5, high + 0.5
    levels = np.asarray(MaxNLocator(12).tick_values(low, high), dtype=float)
    return Scale(levels, levels[::2], False, "magma")


def _powers_of_ten(first: int, last: int) -> Scale:
    """Return levels that divide decades, with at most seven of them named."""
    step = max(1, -(-(last - first) // 7))
    first = last - step * -(-(last - first) // step)
    decades = last - first
    levels = 10.0 ** np.linspace(first, last, max(1, 12 // decades) * decades + 1)
    return Scale(levels, 10.0 ** np.arange(first, last + 1)[::step], True, "magma")


def margin_scale(margins: Iterable[np.ndarray]) -> Scale:
    """Return the levels for margins: symmetric about 0, so that the boundary has no colour."""
    values = np.concatenate([np.ravel(v) for v in margins])
    top = float(np.percentile(np.abs(values), 99.5)) or 1.0
    above = np.asarray(MaxNLocator(6).tick_values(0, top), dtype=float)
    above = above[above > 0]
    levels = np.concatenate([-above[::-1], [0.0], above])
    named = above[1::2] if len(above) > 2 else above
    return Scale(levels, np.concatenate([-named[::-1], [0.0], named]), False, "RdBu")
