"""The control: a random move, as long as the one that is explained, from the same start."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.randomness import generators


def random_moves(
    moves: np.ndarray, ids: Sequence[str] | np.ndarray, *, seed: int = 0
) -> np.ndarray:
    """Return moves in directions uniform on the sphere, of the same l2 lengths.

    Args:
        moves: `(n, ...)`.
        ids: of the examples: a direction belongs to its example, whatever else is in the batch.
        seed: of the directions.

    >>> moves = random_moves(np.array([[3.0, 4.0]]), ["a"])
    >>> float(np.linalg.norm(moves).round(5))
    5.0
    """
    flat = moves.reshape(len(moves), -1).astype(np.float64)
    streams = generators(seed, [str(name) for name in ids], "random move")
    drawn = np.stack([g.standard_normal(flat.shape[1]) for g in streams])
    long = np.linalg.norm(flat, axis=1, keepdims=True)
    drawn *= long / np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn.reshape(moves.shape).astype(np.float32)
