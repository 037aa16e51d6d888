"""Short codes of long vectors: kept in memory where the vectors themselves do not fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import unknown_name
from core.randomness import generator
from interpret.index.metrics import Metric
from interpret.index.vectors import Vectors
from interpret.index.whitening import principal

KINDS = ("pca", "random")
SAMPLE = 1024
"""Examples that principal components are found from."""


@dataclass(frozen=True)
class Sketch:
    """A linear map to few numbers, and how long the part is that it loses.

    The squared distance of two vectors is that of their coordinates along orthonormal components
    and that of the rests across them. In many dimensions rests of different examples stand nearly
    at right angles, so that it is about `|c - c'|^2 + r^2 + r'^2` with r their lengths; given one
    of the two, `(c', r')` ranks the others by `|c - c'|^2 + r'^2`. Random directions (Gaussian,
    made orthonormal, scaled by `sqrt(d / k)`; Johnson and Lindenstrauss 1984) have no such rest.

    Attributes:
        kind: `pca` or `random`.
        mean: `(d,)` float32, taken off first.
        components: `(k, d)` float32.
    """

    kind: str
    mean: np.ndarray
    components: np.ndarray

    @staticmethod
    def fit(vectors: Vectors, metric: Metric, kind: str, size: int, *, seed: int = 0) -> Sketch:
        """Choose the directions, for principal components from a sample of the vectors.

        Raises:
            InputError: an unknown kind.
        """
        if kind not in KINDS:
            raise unknown_name("sketch", kind, KINDS)
        d = vectors.size
        if kind == "pca":
            mean, components, _, _ = principal(vectors, min(size, d), SAMPLE)
            if metric.product:
                # Products know no centre: the mean is a direction like any other.
                components = np.linalg.qr(np.vstack([mean, components]).T)[0].T
            found = np.ascontiguousarray(components, dtype=np.float32)
        else:
            mean = np.zeros(d)
            drawn = generator(seed, "index", "sketch").standard_normal((d, min(size, d)))
            directions = np.linalg.qr(drawn)[0].T * np.sqrt(d / min(size, d))
            found = np.ascontiguousarray(directions, dtype=np.float32)
        shift = mean.astype(np.float32) if metric.centred else np.zeros(d, np.float32)
        return Sketch(kind, shift, found)

    def encode(self, rows: np.ndarray, metric: Metric, *, query: bool = False) -> np.ndarray:
        """Return codes of vectors `(m, d)`: float32 `(m, k + 1)`, the last one the rest's length.

        The rest of a query is left out: it ranks nothing. So is that of all vectors where products
        are searched, to which it adds nothing on the whole.
        """
        prepared = metric.prepared(rows, self.mean)
        codes = prepared @ self.components.T
        lost = np.zeros(len(codes))
        if not query and not metric.product and self.kind == "pca":
            squares = np.einsum("ij,ij->i", prepared, prepared, dtype=np.float64)
            lost = squares - np.einsum("ij,ij->i", codes, codes, dtype=np.float64)
        rest = np.sqrt(np.maximum(lost, 0))[:, None].astype(np.float32)
        return np.concatenate([codes, rest], 1)
