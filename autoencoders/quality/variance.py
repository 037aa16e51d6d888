"""Explained variance, streamed: of all, of each channel, of each class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from core.errors import InputError


@dataclass(frozen=True)
class ExplainedVariance:
    """The share of the variance that reconstructions explain; at most 1, and below 0 if worse than
    the mean.

    Attributes:
        overall: `1 - sum |x - x'|^2 / sum |x - mean|^2`.
        channels: the same for each channel, `(c,)`; NaN for one that does not vary.
        classes: the same over the examples of each class, `(k,)`; NaN for a class without any.
    """

    overall: float
    channels: np.ndarray
    classes: np.ndarray


def explained_variance(
    batches: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    mean: np.ndarray,
    classes: int,
) -> ExplainedVariance:
    """Return how much of the variance reconstructions explain.

    The mean is that of every number, over the *training* examples: predicting it explains 0, and
    what is worse than it less than 0. The sums are taken over all examples before the ratio is.

    Args:
        batches: representations `(b, c, ...)`, their reconstructions, and the classes `(b,)`.
        mean: `(c, ...)`.
        classes: how many there are.

    Raises:
        InputError: shapes that do not fit, or numbers that are not finite.

    >>> x = np.array([[1.0, 2.0], [3.0, 2.0]])
    >>> mean = x.mean(0)
    >>> explained_variance([(x, np.tile(mean, (2, 1)), np.zeros(2, int))], mean, 1).overall
    0.0
    """
    channels = mean.shape[0]
    left, whole = np.zeros(channels), np.zeros(channels)
    left_of, whole_of = np.zeros(classes), np.zeros(classes)
    for rows, guesses, labels in batches:
        if rows.shape != guesses.shape or rows.shape[1:] != mean.shape:
            raise InputError(
                f"representations: expected reconstructions of one shape, found {rows.shape}, "
                f"{guesses.shape} and a mean of {mean.shape}."
            )
        exact, guessed = rows.astype(np.float64), guesses.astype(np.float64)
        if not (np.isfinite(exact).all() and np.isfinite(guessed).all()):
            raise InputError("representations: some numbers are not finite.")
        missed = np.square(exact - guessed).reshape(len(rows), channels, -1).sum(2)
        spread = np.square(exact - mean).reshape(len(rows), channels, -1).sum(2)
        left += missed.sum(0)
        whole += spread.sum(0)
        np.add.at(left_of, labels, missed.sum(1))
        np.add.at(whole_of, labels, spread.sum(1))
    return ExplainedVariance(
        float(_share(left.sum(), whole.sum())), _share(left, whole), _share(left_of, whole_of)
    )


def _share(left: np.ndarray | float, whole: np.ndarray | float) -> np.ndarray:
    """Return one minus the ratio; NaN where there is nothing to explain."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(whole) > 0, 1 - np.asarray(left) / np.asarray(whole), np.nan)
