"""Reconstruction errors beside lengths one can imagine: its own, and those to other examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.randomness import generator
from core.representations import ShardedArray
from core.representations.streamed import StreamedRows

Rows = ShardedArray | StreamedRows | np.ndarray


@dataclass(frozen=True)
class RelativeErrors:
    """The l2 error of each reconstruction, `(n,)` each, as a multiple of

    Attributes:
        norm: the length of the representation itself.
        random: its distance to a random other example.
        same_class: its distance to the nearest other example of its class; NaN without one.
        error: none: the error in the layer's own units.
    """

    error: np.ndarray
    norm: np.ndarray
    random: np.ndarray
    same_class: np.ndarray


def relative_errors(
    rows: Rows,
    guesses: Rows,
    labels: np.ndarray,
    *,
    seed: int = 0,
    batch_size: int = 256,
) -> RelativeErrors:
    """Return how long the errors of reconstructions are, in units of other distances.

    An explained variance of .9 may still be an error as long as the way to the next example. A
    reconstruction that is as far off as a random other example says nothing of the example itself.

    Args:
        rows: representations `(n, ...)`, n >= 2.
        guesses: their reconstructions.
        labels: `(n,)`; the nearest of one class is looked for among the rows themselves.
        seed: of the random partners.
        batch_size: rows at a time.

    Cost: distances between all pairs of one class, and `n` further ones.

    >>> rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    >>> relative_errors(rows, rows + 1, np.array([0, 0])).same_class.round(3)
    array([0.283, 0.283])
    """
    n = len(rows)
    if n < 2 or len(guesses) != n or labels.shape != (n,):
        raise InputError(
            f"representations: expected at least 2, as many reconstructions and labels, found {n}, "
            f"{len(guesses)} and {len(labels)}."
        )
    shift = generator(seed, "relative errors", "partners").integers(1, n, size=n)
    partners = (np.arange(n) + shift) % n
    error, norm, random = (np.empty(n) for _ in range(3))
    for start in range(0, n, batch_size):
        part = np.arange(start, min(start + batch_size, n))
        exact = _flat(rows[part])
        error[part] = np.linalg.norm(exact - _flat(guesses[part]), axis=1)
        norm[part] = np.linalg.norm(exact, axis=1)
        random[part] = np.linalg.norm(exact - _flat(rows[partners[part]]), axis=1)
    same = _nearest_of_class(rows, labels, batch_size)
    with np.errstate(divide="ignore", invalid="ignore"):
        return RelativeErrors(error, error / norm, error / random, error / same)


def _nearest_of_class(rows: Rows, labels: np.ndarray, batch_size: int) -> np.ndarray:
    """Return each row's distance to the nearest other one of its class, NaN without one."""
    found = np.full(len(labels), np.nan)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            continue
        nearest = np.full(len(members), np.inf)
        for a in range(0, len(members), batch_size):
            left = _flat(rows[members[a : a + batch_size]])
            for b in range(0, len(members), batch_size):
                right = _flat(rows[members[b : b + batch_size]])
                squared = _squared_distances(left, right)
                if a == b:
                    np.fill_diagonal(squared, np.inf)
                nearest[a : a + len(left)] = np.minimum(nearest[a : a + len(left)], squared.min(1))
        found[members] = np.sqrt(nearest)
    return found


def _squared_distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return `(m, n)` squared distances, in float64, about the mean so that little cancels."""
    middle = left.mean(0)
    left, right = left - middle, right - middle
    squared = (left**2).sum(1)[:, None] - 2 * left @ right.T + (right**2).sum(1)
    return np.maximum(squared, 0)


def _flat(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows, dtype=np.float64).reshape(len(rows), -1)
