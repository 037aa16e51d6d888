"""Mean and variance of representations, over examples, in one pass that memory does not limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.representations.sharded import ShardedArray
from core.representations.streamed import StreamedRows


@dataclass(frozen=True)
class Moments:
    """Moments of every number of a representation, over the examples.

    Attributes:
        count: examples.
        mean: `(...)`, float64.
        variance: `(...)`, float64, dividing by the count.
    """

    count: int
    mean: np.ndarray
    variance: np.ndarray

    @property
    def total(self) -> float:
        """The summed variance: the mean squared distance of an example to the mean."""
        return float(self.variance.sum())


def moments(rows: ShardedArray | StreamedRows | np.ndarray, *, batch_size: int = 256) -> Moments:
    """Return mean and variance of rows `(n, ...)`, streamed in float64.

    Batches are merged by their means and squared deviations (Chan, Golub, LeVeque 1983), so that
    nothing cancels, however large the mean is beside the spread.

    Raises:
        InputError: there is no row.

    >>> moments(np.array([[1.0, 10.0], [3.0, 10.0]])).variance
    array([1., 0.])
    """
    if not len(rows):
        raise InputError("representations: none to take the mean of.")
    count, mean, squares = 0, np.zeros(rows.shape[1:]), np.zeros(rows.shape[1:])
    for start in range(0, len(rows), batch_size):
        part = np.asarray(rows[start : start + batch_size], dtype=np.float64)
        size, middle = len(part), part.mean(0)
        gap = middle - mean
        squares += np.square(part - middle).sum(0) + gap**2 * (count * size / (count + size))
        mean = mean + gap * (size / (count + size))
        count += size
    return Moments(count, mean, squares / count)
