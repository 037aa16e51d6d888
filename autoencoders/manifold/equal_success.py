"""The radius at which an attack on the pixels succeeds as often as another attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

LEAST, MOST, RATIO = 0.0005, 0.6, 1.15
"""The ladder of radii in linf: from an eighth of a grey level to more than half the box."""


def ladder(norm: str, pixels: int) -> tuple[float, ...]:
    """Return the radii that are tried, each 15 % larger than the one before, to three figures.

    In l2 they are those of linf times the square root of the number of pixels, so that a step of
    the radius changes the pixels as much on average.

    >>> ladder("linf", 64)[:3], len(ladder("linf", 64))
    ((0.0005, 0.000575, 0.000661), 51)
    """
    count = int(np.log(MOST / LEAST) / np.log(RATIO)) + 1
    factor = pixels**0.5 if norm == "l2" else 1.0
    return tuple(float(f"{factor * LEAST * RATIO**i:.3g}") for i in range(count))


def smallest(
    radii: Sequence[float], success: Callable[[float], float], wanted: float
) -> tuple[float, bool]:
    """Return the smallest radius at which an attack succeeds often enough, and whether it does.

    By bisection: success is taken to rise with the radius. The radius returned succeeds and the one
    before it does not; where even the largest does not, that is returned.

    Args:
        radii: rising.
        success: of a radius; called at most `log2(len(radii)) + 2` times.
        wanted: at least this.

    >>> smallest([1, 2, 3, 4, 5], lambda radius: radius / 5, 0.55)
    (3, True)
    >>> smallest([1, 2], lambda radius: 0.1, 0.5)
    (2, False)
    """
    if success(radii[-1]) < wanted:
        return radii[-1], False
    low, high = -1, len(radii) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if success(radii[middle]) >= wanted else (middle, high)
    return radii[high], True
