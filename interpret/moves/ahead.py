"""Which genuine examples lie ahead: in the direction of a move, seen from where it starts."""

from __future__ import annotations

import numpy as np

from interpret.index.index import Index


def ahead(
    index: Index, starts: np.ndarray, moves: np.ndarray, k: int, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return places and cosines `(n, k)` of the examples that a move points to best.

    The cosine is that of the angle between the move and the way from its start to the example;
    found in float32, in one pass over the index.

    Args:
        index: of genuine representations.
        starts: `(n, d)` float32, in the space that is searched.
        moves: `(n, d)`; one of length 0 has cosine 0 with all.
        k: examples.
        own: `(n,)`, the example that is left out; -1 for none.
    """
    long = np.linalg.norm(moves, axis=1, keepdims=True)
    units = (moves / np.where(long > 0, long, 1)).astype(np.float32)
    shift = index.exact.shift
    begun = starts - shift
    along_start = np.einsum("ij,ij->i", units, begun, dtype=np.float64)[:, None]
    start_squares = np.einsum("ij,ij->i", begun, begun, dtype=np.float64)[:, None]
    best = np.full((len(starts), k), -np.inf)
    places = np.zeros((len(starts), k), np.int64)
    for first, block in index.vectors.blocks():
        rows = block.astype(np.float32) - shift
        squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        distances = np.sqrt(np.maximum(start_squares + squares - 2 * (begun @ rows.T), 0))
        # What is nearer than rounding is the start itself: it lies in no direction.
        floor = 1e-3 * np.sqrt(start_squares + squares)
        cosines = (units @ rows.T - along_start) / np.maximum(distances, floor)
        here = np.arange(first, first + len(rows))
        cosines[index.vectors.examples(here)[None] == own[:, None]] = -np.inf
        values = np.concatenate([best, cosines], 1)
        found = np.concatenate([places, np.broadcast_to(here, cosines.shape)], 1)
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(values, order, 1)
        places = np.take_along_axis(found, order, 1)
    return places, best
