"""What is usual among the indexed examples: their class means, and how near they are to others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import InputError
from core.representations.collection import save_array
from interpret.index.exact import Exact, propose, ranked_costs
from interpret.index.vectors import Vectors

SAMPLE = 256
NEIGHBOURS = 50


@dataclass(frozen=True)
class Reference:
    """Figures of the indexed examples themselves, in the space that is searched.

    Attributes:
        means: `(classes, d)`, the mean of each class; NaN for one without an example.
        places: `(s,)`, an even choice of vectors, to which what follows belongs.
        nearest: `(s, k)`, shown distances to the nearest, those of the same example left out.
        same_class: `(s,)`, to the nearest of the same class; NaN without one.
        other_class: `(s,)`, to the nearest of another class; NaN without one.
    """

    means: np.ndarray
    places: np.ndarray
    nearest: np.ndarray
    same_class: np.ndarray
    other_class: np.ndarray

    @staticmethod
    def of(exact: Exact, labels: np.ndarray, classes: int) -> Reference:
        """Measure the indexed examples: three passes over them.

        Args:
            exact: the search.
            labels: of the examples, `(examples,)`.
            classes: how many there are.
        """
        vectors, metric = exact.vectors, exact.metric
        n, many = len(vectors), vectors.per_example
        places = np.unique(np.linspace(0, n - 1, min(SAMPLE, n)).astype(np.int64))
        queries = vectors.take(places).astype(np.float32)
        own = vectors.examples(places)
        k = min(NEIGHBOURS, n - many)
        found, costs = exact.search(queries, k + many)
        others = vectors.examples(found) != own[:, None]
        # What is left of k + many after its own is at least k; sorting keeps the order.
        kept = np.argsort(~others, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(costs, kept, 1)
        class_places = nearest_of_classes(exact, queries, labels, classes, own)
        same, other = _same_and_other(exact, queries, labels[own], class_places)
        means = class_means(vectors, labels, classes)
        return Reference(means, places, metric.shown(near), metric.shown(same), metric.shown(other))

    def save(self, folder: Path) -> None:
        """Write the arrays."""
        for name, values in vars(self).items():
            save_array(folder / f"reference-{name}.npy", values)

    @staticmethod
    def load(folder: Path) -> Reference:
        """Read the arrays.

        Raises:
            InputError: one is missing or damaged.
        """
        try:
            names = Reference.__dataclass_fields__
            return Reference(
                *(np.load(folder / f"reference-{n}.npy", allow_pickle=False) for n in names)
            )
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{folder}: not a whole index ({error}); delete it.") from error


def class_means(vectors: Vectors, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the mean vector of each class, `(classes, d)` float64; NaN without an example."""
    sums = np.zeros((classes, vectors.size))
    counts = np.zeros(classes)
    for start, block in vectors.blocks():
        own = labels[vectors.examples(np.arange(start, start + len(block)))]
        for label in np.unique(own):
            rows = block[own == label]
            sums[label] += rows.sum(0, dtype=np.float64)
            counts[label] += len(rows)
    with np.errstate(invalid="ignore"):
        return sums / counts[:, None]


def nearest_of_classes(
    exact: Exact, queries: np.ndarray, labels: np.ndarray, classes: int, own: np.ndarray
) -> np.ndarray:
    """Return the place of the nearest vector of each class, `(q, classes)`, -1 without one.

    Found by float32 arithmetic in one pass: of several that are as near as rounding, any.

    Args:
        exact: the search.
        queries: `(q, d)` float32.
        labels: of the examples.
        classes: how many there are.
        own: `(q,)`, the example whose vectors do not count; -1 where all do.
    """
    vectors, metric = exact.vectors, exact.metric
    prepared = metric.prepared(queries, exact.shift)
    best = np.full((len(queries), classes), np.inf)
    places = np.full((len(queries), classes), -1, np.int64)
    for start, block, squares in exact.blocks():
        examples = vectors.examples(np.arange(start, start + len(block)))
        for label in np.unique(labels[examples]):
            members = np.flatnonzero(labels[examples] == label)
            width = min(len(members), vectors.per_example + 1)
            costs, near = propose(prepared, block[members], squares[members], width, metric)
            found = members[near]
            costs = np.where(examples[found] == own[:, None], np.inf, costs)
            first = costs.argmin(1)
            cost = costs[np.arange(len(queries)), first]
            closer = cost < best[:, label]
            best[closer, label] = cost[closer]
            places[closer, label] = start + found[np.arange(len(queries)), first][closer]
    return places


def _same_and_other(
    exact: Exact, queries: np.ndarray, own: np.ndarray, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return exact costs of the nearest of a query's own class and of any other, `(q,)` each."""
    costs = ranked_costs(exact.vectors, exact.metric, queries, np.maximum(places, 0))
    costs[places < 0] = np.nan
    rows = np.arange(len(queries))
    same = costs[rows, own].copy()
    costs[rows, own] = np.nan
    other = np.full(len(queries), np.nan)
    there = ~np.isnan(costs).all(1)
    other[there] = np.nanmin(costs[there], 1)
    return same, other
