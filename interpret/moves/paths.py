"""Points along moves, and at which share of the way something becomes another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Evaluate = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From moves `(m,)`, by their place, and shares of the way `(m,)`, to a class each `(m,)`."""
HALVINGS = 4


def points(before: np.ndarray, after: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return `before + share * (after - before)`, one share per row; both ends exactly.

    >>> points(np.zeros((2, 1)), np.ones((2, 1)), np.array([0.5, 1.0])).tolist()
    [[0.5], [1.0]]
    """
    weight = shares.reshape(-1, *[1] * (before.ndim - 1)).astype(before.dtype)
    return (1 - weight) * before + weight * after


def change_shares(
    classes: np.ndarray, shares: np.ndarray, evaluate: Evaluate, *, halvings: int = HALVINGS
) -> np.ndarray:
    """Return the share of the way at which the class is first another than at the start, `(n,)`.

    Between the first point with another class and the one before it, the place is found by
    halving; what changes and changes back between two points is not seen.

    Args:
        classes: `(n, points)`, along the way.
        shares: `(points,)`, from 0 to 1.
        evaluate: gives the class at further points.
        halvings: each halves the gap of the points; the upper end of the last one is returned.

    Returns:
        Shares; NaN where the class stays.

    >>> change_shares(np.array([[3, 3, 5]]), np.array([0.0, 0.5, 1.0]),
    ...               lambda which, t: np.where(t < 0.7, 3, 5), halvings=10).round(3)
    array([0.7])
    """
    other = classes != classes[:, :1]
    changed = np.flatnonzero(other.any(1))
    first = other[changed].argmax(1)
    low, high = shares[first - 1].astype(float), shares[first].astype(float)
    for _ in range(halvings if len(changed) else 0):
        middle = (low + high) / 2
        same = evaluate(changed, middle) == classes[changed, 0]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    found = np.full(len(classes), np.nan)
    found[changed] = high
    return found
