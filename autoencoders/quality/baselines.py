"""What a model of representations has to beat: the mean, principal components, an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.representations import Moments, ShardedArray
from core.representations.streamed import StreamedRows

Rows = ShardedArray | StreamedRows | np.ndarray
MOST = 4096
"""Examples that principal components are found from: their Gram matrix is solved exactly."""


@dataclass(frozen=True)
class MeanModel:
    """Predicts the training mean, whatever it is given."""

    mean: np.ndarray

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return reconstructions `(n, ...)`."""
        return np.broadcast_to(self.mean, rows.shape).copy()


@dataclass(frozen=True)
class PrincipalComponents:
    """Keeps the coordinates along the first principal components.

    Attributes:
        mean: `(...)`, of the training representations.
        components: orthonormal rows `(k, d)`, by the variance along them.
        variances: `(k,)`, of the training representations used.
    """

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray

    @staticmethod
    def fit(rows: Rows, moments: Moments, count: int, *, most: int = MOST) -> PrincipalComponents:
        """Find the components of training representations.

        From an even choice of at most `most` examples, exactly: by the eigenvectors of the Gram
        matrix of the examples, or of the covariance where the representation is shorter than that.

        Args:
            rows: `(n, ...)`.
            moments: of all of them.
            count: components; fewer where the examples do not span so many.
            most: examples used.
        """
        if count < 1:
            raise InputError(f"--latent: expected at least 1 component, found {count}.")
        chosen = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))
        centred = _flat(rows[chosen]) - moments.mean.reshape(-1)
        n, d = centred.shape
        if d <= n:
            values, vectors = np.linalg.eigh(centred.T @ centred / n)
            order = np.argsort(values)[::-1][:count]
            components, variances = vectors[:, order].T, values[order]
        else:
            values, vectors = np.linalg.eigh(centred @ centred.T / n)
            order = np.argsort(values)[::-1][: min(count, n)]
            order = order[values[order] > 1e-10 * max(values.max(), 1e-300)]
            variances = values[order]
            components = vectors[:, order].T @ centred
            components /= np.linalg.norm(components, axis=1, keepdims=True)
        return PrincipalComponents(moments.mean, components, np.maximum(variances, 0))

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Return the coordinates of representations, `(n, k)`."""
        return (_flat(rows) - self.mean.reshape(-1)) @ self.components.T

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return reconstructions `(n, ...)`."""
        found = self.encode(rows) @ self.components + self.mean.reshape(-1)
        return found.reshape(rows.shape)


class NearestExample:
    """Predicts the nearest training representation, in l2.

    Args:
        rows: of the training examples `(n, ...)`.
        batch_size: of them held at a time.
    """

    def __init__(self, rows: Rows, batch_size: int = 1024) -> None:
        self.rows, self.batch_size = rows, batch_size

    def nearest(self, rows: np.ndarray) -> np.ndarray:
        """Return the place of the nearest training example of each row, `(m,)`."""
        asked = _flat(rows)
        best, place = np.full(len(asked), np.inf), np.zeros(len(asked), np.int64)
        for start in range(0, len(self.rows), self.batch_size):
            known = _flat(self.rows[start : start + self.batch_size])
            middle = known.mean(0)
            a, b = asked - middle, known - middle
            squared = (b**2).sum(1) - 2 * a @ b.T
            nearest = squared.argmin(1)
            distance = squared[np.arange(len(a)), nearest] + (a**2).sum(1)
            closer = distance < best
            best[closer], place[closer] = distance[closer], start + nearest[closer]
        return place

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return reconstructions `(m, ...)`."""
        return np.asarray(self.rows[self.nearest(rows)], dtype=np.float64)


def components_for(
    rows: Rows, moments: Moments, shares: Sequence[float], *, most: int = MOST
) -> list[int]:
    """Return the fewest principal components that explain each of these shares of the variance."""
    whole = PrincipalComponents.fit(rows, moments, min(most, len(rows)), most=most)
    reached = np.cumsum(whole.variances) / max(float(whole.variances.sum()), 1e-300)
    return [min(int(np.searchsorted(reached, s - 1e-12)) + 1, len(reached)) for s in shares]


def _flat(rows: np.ndarray | Sequence) -> np.ndarray:
    array = np.asarray(rows, dtype=np.float64)
    return array.reshape(len(array), -1)
