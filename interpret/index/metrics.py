"""What near means: exactly in float64, and how far float32 may be from it.

Each metric is a *cost*, the smaller the nearer: the squared distance, one minus the cosine, or the
negative inner product. `bound` is a proven limit of the difference between the cost that float32
arithmetic finds for prepared rows and the exact one, with the running error `n u / (1 - n u)` of
sums of n products in any order (Higham 2002, Accuracy and stability of numerical algorithms, 3.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

UNIT = 2.0**-24
"""Largest relative error of one rounding to float32."""
CHUNK = 4096
"""Longest sums in float32; those of longer vectors are added up in float64."""


@dataclass(frozen=True)
class Metric:
    """A metric of vectors.

    Attributes:
        name: as the user gives it.
        centred: whether a shift of all vectors leaves it as it is.
        normed: whether the length of a vector does not matter.
        product: whether the cost is the negative inner product of prepared rows, not the squared
            distance.
        offset: what is added to that to be the cost.
        cost: rows `(..., d)` and queries `(..., d)`, both float64, to costs `(...)`.
        shown: costs to what is reported: distances, or the inner product itself.
    """

    name: str
    centred: bool
    normed: bool
    product: bool
    offset: float
    cost: Callable[[np.ndarray, np.ndarray], np.ndarray]
    shown: Callable[[np.ndarray], np.ndarray]

    def prepared(self, rows: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Return rows in float32 as the search compares them: shifted, or divided by length."""
        found = rows.astype(np.float32)
        if self.centred:
            found -= shift
        if self.normed:
            exact = np.einsum("ij,ij->i", found, found, dtype=np.float64)
            length = np.sqrt(exact)[:, None]
            found /= np.where(length > 0, length, 1).astype(np.float32)
        return found

    def bound(self, size: int, query_norms: np.ndarray, largest: float) -> np.ndarray:
        """Return how far the cost that was found may be from the exact one, `(q,)`.

        Args:
            size: numbers of a vector.
            query_norms: lengths of the prepared queries, `(q,)`.
            largest: length of the longest prepared row.
        """
        # Roundings beside those of the sums: of both rows while they are prepared, and of the few
        # operations that make a cost of norms and products.
        terms = (min(size, CHUNK) + 16) * UNIT
        running = terms / (1 - terms)
        if self.product:
            return running * query_norms * largest
        return running * (query_norms + largest) ** 2


def _squared(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    gaps = rows - queries
    return np.square(gaps, out=gaps).sum(-1)


def _cosine(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    norms = np.sqrt(np.square(rows).sum(-1) * np.square(queries).sum(-1))
    return 1 - (rows * queries).sum(-1) / np.where(norms > 0, norms, 1)


def _negative_product(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    return -(rows * queries).sum(-1)


METRICS: dict[str, Metric] = {
    "l2": Metric("l2", True, False, False, 0.0, _squared, np.sqrt),
    "cosine": Metric("cosine", False, True, True, 1.0, _cosine, lambda cost: np.maximum(cost, 0.0)),
    "inner_product": Metric(
        "inner_product", False, False, True, 0.0, _negative_product, lambda cost: -cost
    ),
}
"""By name: `l2`; `cosine`, one minus the cosine, 1 for a vector of zeros; `inner_product`, the
larger the nearer."""
