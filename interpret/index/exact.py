"""Exact nearest neighbours: found in float32, ranked in float64, and proven to be complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from core.errors import InputError
from interpret.index.metrics import CHUNK, METRICS, Metric
from interpret.index.vectors import Vectors, as_queries

SPARE = 16
"""Candidates beyond those asked for, of which most proofs need none."""
MEMORY = 2**30
"""Prepared rows of at most so many bytes are kept in memory."""
TAKEN_BYTES = 2**25
"""Most bytes of candidates that are ranked at once, in float64."""
SHIFT_ROWS = 1024
BLOCK_ROWS = 16_384
QUERIES = 1024
"""Most queries, and most vectors in memory, whose costs are computed at once."""


@dataclass(frozen=True, eq=False)
class Exact:
    """Finds nearest neighbours exactly, from memory or in one pass over the files.

    Attributes:
        vectors: all of them.
        metric: what near means.
        shift: `(d,)` float32, taken off every vector where the metric allows it: the smaller the
            vectors, the tighter the bound. Any will do.
        largest: length of the longest prepared vector.
        kept: the prepared vectors, where they are small enough.
    """

    vectors: Vectors
    metric: Metric
    shift: np.ndarray
    largest: float
    kept: np.ndarray | None

    @staticmethod
    def of(vectors: Vectors, metric: Metric, *, memory: int = MEMORY) -> Exact:
        """Prepare the search of vectors; one pass over them."""
        chosen = np.unique(np.linspace(0, len(vectors) - 1, SHIFT_ROWS).astype(np.int64))
        shift = vectors.take(chosen).mean(0, dtype=np.float64).astype(np.float32)
        fits = 4 * len(vectors) * vectors.size <= memory
        kept = np.empty((len(vectors), vectors.size), np.float32) if fits else None
        longest = 0.0
        for start, block in vectors.blocks():
            rows = metric.prepared(block, shift)
            squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
            longest = max(longest, float(squares.max()))
            if kept is not None:
                kept[start : start + len(rows)] = rows
        return Exact(vectors, metric, shift, longest**0.5 * (1 + 1e-6), kept)

    def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return places and exact costs `(q, count)` of the nearest, ties by place.

        Float32 arithmetic proposes some more than are asked for; they are ranked by their cost in
        float64. A vector that was not proposed costs at least as much as the last proposal, less
        the bound of the rounding: once that is more than the last one asked for costs, none is
        missing. Queries for which it is not get twice as many proposals.

        Args:
            queries: `(q, d)` float32.
            count: from 1 to the number of vectors.
        """
        parts = [
            self._search(queries[start : start + QUERIES], count)
            for start in range(0, len(queries), QUERIES)
        ]
        places, costs = zip(*parts, strict=True)
        return np.concatenate(places), np.concatenate(costs)

    def _search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Search for queries that are few enough to be searched for at once."""
        n = len(self.vectors)
        prepared = self.metric.prepared(queries, self.shift)
        norms = np.sqrt(np.einsum("ij,ij->i", prepared, prepared, dtype=np.float64))
        bounds = self.metric.bound(self.vectors.size, norms * (1 + 1e-6), self.largest)
        places = np.empty((len(queries), count), np.int64)
        costs = np.empty((len(queries), count))
        waiting, width = np.arange(len(queries)), min(n, count + SPARE)
        while len(waiting):
            found, proposed = self._propose(prepared[waiting], width)
            exact = ranked_costs(self.vectors, self.metric, queries[waiting], proposed)
            order = np.lexsort((proposed, exact), axis=1)[:, :count]
            places[waiting] = np.take_along_axis(proposed, order, 1)
            costs[waiting] = np.take_along_axis(exact, order, 1)
            left_out = found.max(1) + self.metric.offset - bounds[waiting]
            proven = (costs[waiting, -1] < left_out) | (width == n)
            waiting, width = waiting[~proven], min(n, 2 * width)
        return places, costs

    def _propose(self, prepared: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return costs and places of the `width` nearest, in any order, without the offset."""
        costs = np.empty((len(prepared), 0))
        places = np.empty((len(prepared), 0), np.int64)
        for start, block, squares in self.blocks():
            found, near = propose(prepared, block, squares, min(width, len(block)), self.metric)
            costs = np.concatenate([costs, found], 1)
            places = np.concatenate([places, near + start], 1)
            if costs.shape[1] > width:
                best = np.argpartition(costs, width - 1, axis=1)[:, :width]
                costs = np.take_along_axis(costs, best, 1)
                places = np.take_along_axis(places, best, 1)
        return costs, places

    def blocks(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield the prepared vectors in order: place of the first, `(m, d)`, squared lengths."""
        if self.kept is not None:
            for start in range(0, len(self.kept), BLOCK_ROWS):
                part = slice(start, start + BLOCK_ROWS)
                yield start, self.kept[part], self.squares[part]
            return
        for start, block in self.vectors.blocks():
            rows = self.metric.prepared(block, self.shift)
            yield start, rows, squared_lengths(rows)

    @cached_property
    def squares(self) -> np.ndarray:
        """Squared lengths of the vectors that are kept, `(n,)` float32."""
        assert self.kept is not None
        return squared_lengths(self.kept)


def squared_lengths(rows: np.ndarray) -> np.ndarray:
    """Return the squared lengths of rows `(m, d)`, summed in float64, as float32."""
    return np.einsum("ij,ij->i", rows, rows, dtype=np.float64).astype(np.float32)


def propose(
    queries: np.ndarray, block: np.ndarray, squares: np.ndarray, width: int, metric: Metric
) -> tuple[np.ndarray, np.ndarray]:
    """Return costs and places in a block of the `width` nearest, by float32 arithmetic.

    The costs lack the metric's offset. (faiss's flat search takes three times as long for this, its
    matrix product being slower than torch's.)

    Args:
        queries: `(q, d)` float32, prepared.
        block: `(m, d)` float32, prepared.
        squares: `(m,)`, squared lengths of the block's rows.
        width: from 1 to m.
        metric: what near means.
    """
    factor, left_out = -1.0, np.zeros(len(queries))
    if not metric.product:
        factor, left_out = -2.0, np.einsum("ij,ij->i", queries, queries, dtype=np.float64)
    costs = torch.zeros(1, len(block)) if metric.product else torch.from_numpy(squares)[None]
    left, right = torch.from_numpy(queries), torch.from_numpy(block)
    if queries.shape[1] <= CHUNK:
        costs = torch.addmm(costs, left, right.T, alpha=factor)
    else:
        costs = costs.double()
        for start in range(0, queries.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            costs = costs + factor * (left[:, part] @ right[:, part].T)
    values, near = costs.topk(width, dim=1, largest=False, sorted=False)
    return values.double().numpy() + left_out[:, None], near.numpy()


def ranked_costs(
    vectors: Vectors, metric: Metric, queries: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Return the exact costs of vectors at places `(q, m)` for their query, `(q, m)` float64."""
    costs = np.empty(places.shape)
    step = max(1, TAKEN_BYTES // (8 * vectors.size * places.shape[1]))
    for start in range(0, len(places), step):
        part = slice(start, start + step)
        costs[part] = _costs(vectors, metric, queries[part], places[part])
    return costs


def _costs(vectors: Vectors, metric: Metric, queries: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the costs of some queries' candidates, read in bites that fit."""
    q, m = places.shape
    costs = np.empty((q, m))
    step = max(1, TAKEN_BYTES // (8 * vectors.size * q))
    for start in range(0, m, step):
        part = places[:, start : start + step]
        rows = vectors.take(part.ravel()).astype(np.float64).reshape(*part.shape, -1)
        costs[:, start : start + step] = metric.cost(rows, queries.astype(np.float64)[:, None])
    return costs


def nearest(
    rows: np.ndarray, queries: np.ndarray, k: int, *, metric: str = "l2"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places and distances of the k nearest rows of each query, exactly.

    The places are those of brute force in float64, in its order; of equally near rows the first
    comes first.

    Args:
        rows: `(n, ...)`.
        queries: `(q, ...)`, taken in float32.
        k: 1 to n.
        metric: see `METRICS`.

    Returns:
        Places `(q, k)`, and distances (or inner products) `(q, k)` in float64.

    >>> nearest(np.array([[0.0], [2.0], [1.0], [2.0]]), np.array([[1.8]]), 3)[0].tolist()
    [[1, 3, 2]]

    Raises:
        InputError: shapes that do not fit, or numbers that are not finite.
    """
    vectors = Vectors(np.asarray(rows))
    asked = as_queries(queries, vectors.size)
    if not 1 <= k <= len(vectors):
        raise InputError(f"k: expected 1 to {len(vectors)}, found {k}.")
    chosen = METRICS[metric]
    places, costs = Exact.of(vectors, chosen).search(asked, k)
    return places, chosen.shown(costs)
