"""Moves beside the ways to class means: which class a move goes to, if any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc

LEVEL = 0.01
"""A move goes to a class only if a random one would point there so well less often than this."""
LEAST_COSINE = 0.25
"""And if at least so much of it does, however many dimensions make a small cosine significant."""


@dataclass(frozen=True)
class Towards:
    """Where moves point, `(n,)` each.

    Attributes:
        toward: the class whose mean a move goes to; -1 where it goes to none.
        nearest: the class whose mean it points to best, significant or not.
        cosine: with the way from the start to the mean of that class.
        p: of a random direction to point so well to any of the classes.
        difference: the class B of the difference of means `mean(B) - mean(own class)` that the
            move is most along; -1 where the own class has no example.
        difference_cosine: with that difference; NaN where there is none.
    """

    toward: np.ndarray
    nearest: np.ndarray
    cosine: np.ndarray
    p: np.ndarray
    difference: np.ndarray
    difference_cosine: np.ndarray


def towards_classes(
    starts: np.ndarray, moves: np.ndarray, means: np.ndarray, own: np.ndarray
) -> Towards:
    """Compare moves with the ways to class means, and with the differences of class means.

    The cosine of a direction uniform on the sphere in d dimensions with a given one is at least c
    with probability `I(1 - c^2; (d - 1) / 2, 1 / 2) / 2`; over C classes at most `1 - (1 - p)^C`
    if they were independent, and less otherwise (Sidak 1967).

    Args:
        starts: `(n, d)`.
        moves: `(n, d)`.
        means: `(classes, d)`, NaN for a class without an example.
        own: `(n,)`, the class of each start.

    A move of length 0 points nowhere: cosine 0, p 1.
    """
    there = np.flatnonzero(np.isfinite(means).all(1))
    known = means[there]
    units = _units(moves)
    cosines = np.stack([(units * _units(mean - starts)).sum(1) for mean in known], 1)
    rows = np.arange(len(moves))
    best = cosines.argmax(1)
    cosine = cosines[rows, best]
    p = 1 - (1 - random_cosine_p(cosine, moves.shape[1])) ** len(known)
    p = np.where(np.abs(units).sum(1) > 0, p, 1.0)
    nearest = there[best]
    goes = (p <= LEVEL) & (cosine >= LEAST_COSINE)
    along = np.full((len(moves), len(means)), -np.inf)
    for label in np.unique(own):
        members = np.flatnonzero(own == label)
        if label in there and len(there) > 1:
            ways = _units(known - means[label])
            along[np.ix_(members, there)] = units[members] @ ways.T
            along[members, label] = -np.inf
    difference = along.argmax(1)
    highest = along[rows, difference]
    known_difference = np.isfinite(highest)
    return Towards(
        np.where(goes, nearest, -1),
        nearest,
        cosine,
        p,
        np.where(known_difference, difference, -1),
        np.where(known_difference, highest, np.nan),
    )


def random_cosine_p(cosine: np.ndarray, size: int) -> np.ndarray:
    """Return how often a random direction in so many dimensions has at least this cosine.

    >>> random_cosine_p(np.array([0.0, 0.5]), 3)
    array([0.5 , 0.25])
    """
    if size == 1:
        return np.where(cosine <= -1, 1.0, 0.5)
    tail = betainc((size - 1) / 2, 0.5, np.clip(1 - np.square(cosine), 0, 1)) / 2
    return np.where(cosine >= 0, tail, 1 - tail)


def _units(rows: np.ndarray) -> np.ndarray:
    long = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(long > 0, long, 1)
