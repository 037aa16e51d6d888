"""Recall: how many of the exact nearest neighbours an index finds, measured."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from interpret.index.exact import Exact
from interpret.index.vectors import Vectors

QUERIES = 64
NEIGHBOURS = 10


class Searcher(Protocol):
    """Finds neighbours: exactly or not."""

    def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return places and costs `(q, count)`."""


@dataclass(frozen=True)
class Recall:
    """What an index was found to miss.

    Attributes:
        recall: share of the k nearest, by exact search, that the index finds; 1 if it is exact.
        low: the smallest share of any query.
        k: neighbours.
        queries: how many were asked, an even choice of the indexed vectors, each without itself.
        seconds: of a query with the index.
        exact_seconds: of a query by exact search; 0 where the index is exact.
        build_seconds: of building the index.
    """

    recall: float = 1.0
    low: float = 1.0
    k: int = NEIGHBOURS
    queries: int = 0
    seconds: float = 0.0
    exact_seconds: float = 0.0
    build_seconds: float = 0.0

    @property
    def pays_from(self) -> float:
        """Queries from which on building the index has saved time; infinite if it never does."""
        saved = self.exact_seconds - self.seconds
        return self.build_seconds / saved if saved > 0 else float("inf")

    def plain(self) -> dict[str, float]:
        """Return the figures as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.queries:
            return "exact"
        return f"recall@{self.k} {self.recall:.3f} (least {self.low:.2f}) on {self.queries} queries"


def measured(searcher: Searcher, exact: Exact, vectors: Vectors, build_seconds: float) -> Recall:
    """Measure the recall of an index on an even choice of its own vectors.

    A neighbour counts as found if it is as near as the last of the exact ones: of ties any will do.
    """
    n = len(vectors)
    k = min(NEIGHBOURS, n - 1)
    chosen = np.unique(np.linspace(0, n - 1, min(QUERIES, n)).astype(np.int64))
    queries = vectors.take(chosen).astype(np.float32)
    begun = time.perf_counter()
    places, costs = searcher.search(queries, k + 1)
    between = time.perf_counter()
    exact_places, exact_costs = exact.search(queries, k + 1)
    done = time.perf_counter()
    shares = []
    for i, own in enumerate(chosen):
        last = exact_costs[i][exact_places[i] != own][:k][-1]
        shares.append((costs[i][places[i] != own][:k] <= last).mean())
    return Recall(
        float(np.mean(shares)),
        float(np.min(shares)),
        k,
        len(chosen),
        (between - begun) / len(chosen),
        (done - between) / len(chosen),
        build_seconds,
    )
