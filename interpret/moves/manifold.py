"""How far a representation lies from where genuine ones lie."""

from __future__ import annotations

import numpy as np

from interpret.index.index import Index

NEIGHBOURS = 30
COMPONENTS = 10
GENUINE = 128
"""Genuine examples that residuals are compared with."""


def percentiles(values: np.ndarray, genuine: np.ndarray) -> np.ndarray:
    """Return the share of genuine values below each value, ties counted half, `(n,)`.

    >>> percentiles(np.array([0.5, 2.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    array([0.   , 0.375])
    """
    ordered = np.sort(genuine)
    below = np.searchsorted(ordered, values, side="left")
    to = np.searchsorted(ordered, values, side="right")
    return (below + to) / (2 * len(ordered))


def local_residuals(
    index: Index,
    rows: np.ndarray,
    own: np.ndarray | None = None,
    *,
    k: int = NEIGHBOURS,
    components: int = COMPONENTS,
) -> np.ndarray:
    """Return how far rows lie off the plane through their nearest genuine neighbours, `(n,)`.

    The plane goes through the neighbours' mean along their first principal components (local PCA;
    Kambhatla and Leen 1997). The residual is the distance to it, in the units of the space.

    Args:
        index: of genuine representations.
        rows: `(n, d)` float32, in the space that is searched.
        own: `(n,)`, the example of each row in the index, which is no neighbour; -1 for none.
        k: neighbours, fewer where the index has not so many.
        components: of the plane, fewer than half the neighbours.
    """
    many = index.vectors.per_example
    k = min(k, len(index) - 2 * many)
    kept = max(1, min(components, (k - 1) // 2))
    near = index.search_mapped(rows, k, own=own)
    found = np.empty(len(rows))
    for i, places in enumerate(near.places):
        around = index.vectors.take(places).astype(np.float64)
        middle = around.mean(0)
        around -= middle
        values, vectors = np.linalg.eigh(around @ around.T)
        chosen = values[-kept:] > 1e-12 * max(float(values[-1]), 1e-300)
        axes = vectors[:, -kept:][:, chosen].T @ around
        axes /= np.sqrt(values[-kept:][chosen])[:, None]
        off = rows[i].astype(np.float64) - middle
        off -= (axes @ off) @ axes
        found[i] = np.linalg.norm(off)
    return found


def genuine_residuals(index: Index) -> np.ndarray:
    """Return the residuals of an even choice of the indexed examples, each without itself."""
    reference = index.reference.places
    chosen = reference[np.unique(np.linspace(0, len(reference) - 1, GENUINE).astype(int))]
    rows = index.vectors.take(chosen).astype(np.float32)
    return local_residuals(index, rows, index.vectors.examples(chosen))
