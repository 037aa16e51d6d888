"""Whitening: a linear map after which representations vary equally in every direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from interpret.index.vectors import Vectors

COMPONENTS = 256
SAMPLE = 2048
LEAST = 1e-6
"""No direction counts as varying less than this share of the one that varies most."""


@dataclass(frozen=True)
class Whitening:
    """Divides by the deviation along principal components, and by one deviation across them.

    The l2 distance afterwards is the Mahalanobis distance of probabilistic principal components
    (Tipping and Bishop 1999): covariance `V diag(variances) V' + rest (I - V V')`, which needs no
    `d x d` matrix and stays invertible where the examples are fewer than the numbers.

    Attributes:
        mean: `(d,)`.
        components: orthonormal rows `(k, d)`.
        variances: `(k,)`, along them.
        rest: the mean variance across them.
    """

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray
    rest: float

    @staticmethod
    def fit(vectors: Vectors, *, components: int = COMPONENTS, sample: int = SAMPLE) -> Whitening:
        """Estimate the covariance from an even choice of vectors.

        Raises:
            InputError: they do not vary.
        """
        mean, found, variances, total = principal(vectors, components, sample)
        if not len(variances):
            raise InputError("whitening: the representations do not vary.")
        floor = LEAST * float(variances[0])
        across = vectors.size - len(variances)
        rest = max(total - float(variances.sum()), 0.0) / across if across else floor
        return Whitening(mean, found, np.maximum(variances, floor), max(rest, floor))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return rows `(m, d)` whitened, in float32."""
        centred = rows.astype(np.float64) - self.mean
        along = centred @ self.components.T
        outside = 1 / np.sqrt(self.rest)
        change = along * (1 / np.sqrt(self.variances) - outside)
        return (outside * centred + change @ self.components).astype(np.float32)

    def undone(self, differences: np.ndarray) -> np.ndarray:
        """Return the differences `(m, d)` of rows whose whitened differences these are."""
        along = differences @ self.components.T
        outside = np.sqrt(self.rest)
        change = along * (np.sqrt(self.variances) - outside)
        return np.asarray(outside * differences + change @ self.components)


def principal(
    vectors: Vectors, count: int, sample: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Find principal components from an even choice of vectors.

    By the covariance where vectors are shorter than the choice, else by the Gram matrix of the
    chosen; components of less than 1e-10 of the largest variance are left out.

    Returns:
        Mean `(d,)`, orthonormal components `(k, d)` with k <= count, their variances `(k,)`, and
        the variance in all directions together; float64.
    """
    chosen = np.unique(np.linspace(0, len(vectors) - 1, sample).astype(np.int64))
    rows = vectors.take(chosen).astype(np.float32)
    mean = rows.mean(0, dtype=np.float64)
    rows -= mean.astype(np.float32)
    wide = rows.shape[1] > len(rows)
    gram = _symmetric(rows if wide else np.ascontiguousarray(rows.T)) / len(rows)
    values, vectors_found = np.linalg.eigh(gram)
    order = np.argsort(values)[::-1][:count]
    order = order[values[order] > 1e-10 * max(float(values.max()), 1e-300)]
    components = vectors_found[:, order].T
    if wide:
        components = components.astype(np.float32) @ rows
        components = components.astype(np.float64)
        components /= np.linalg.norm(components, axis=1, keepdims=True)
    return mean, components, values[order], float(np.trace(gram))


def _symmetric(rows: np.ndarray) -> np.ndarray:
    """Return `rows @ rows.T` in float64, summed over pieces, so that no float64 copy is made."""
    found = np.zeros((len(rows), len(rows)))
    for start in range(0, rows.shape[1], 4096):
        part = rows[:, start : start + 4096].astype(np.float64)
        found += part @ part.T
    return found
