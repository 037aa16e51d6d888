"""An index: collected representations of one layer, made searchable."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.data import ImageSet
from core.errors import InputError, unknown_name
from core.models import Classifier, fingerprint
from interpret.index.exact import Exact
from interpret.index.metrics import METRICS, Metric
from interpret.index.recall import Recall, Searcher
from interpret.index.reference import Reference
from interpret.index.settings import Settings
from interpret.index.vectors import Vectors, as_queries
from interpret.index.whitening import Whitening

SAME = {np.dtype("float32"): 1e-5, np.dtype("float16"): 1e-3}
"""Two vectors whose distance is below this share of their length are duplicates: so much do the
rounding of the file, and that of a forward pass in another batch, change one and the same image."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest of each query, nearest first.

    Attributes:
        places: `(q, k)`, of the vectors in the index.
        ids: `(q, k)`, of their examples.
        labels: `(q, k)`, true classes.
        predictions: `(q, k)`; None where the logits were not collected.
        distances: `(q, k)` float64; inner products for that metric.
        positions: `(q, k)`, which place of the map, for an index of positions; else None.
        duplicates: `(q,)`, vectors that were left out because they are the query itself under
            another name.
    """

    places: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray | None
    distances: np.ndarray
    positions: np.ndarray | None
    duplicates: np.ndarray

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, eq=False)
class Index:
    """Finds the neighbours of representations at one layer among those that were collected.

    Attributes:
        folder: where it is saved.
        layer: its name.
        form: see `core.representations.forms`.
        classifier: the classifier's fingerprint.
        images: the image set's.
        class_names: of the images.
        settings: what it was built with.
        shape: of one representation as the layer gives it.
        vectors: that are searched: whitened, if it is an index of those.
        ids: of the examples.
        labels: of the examples.
        predictions: of the examples; None where the logits were not collected.
        exact: the exact search, which serves where the method is another one, too.
        searcher: the method's own.
        whitening: the map into the space that is searched, if it is another one.
        reference: what is usual among the indexed.
        recall: what the method misses.
        stored: type of the collected numbers.
    """

    folder: Path
    layer: str
    form: str
    classifier: str
    images: str
    class_names: tuple[str, ...]
    settings: Settings
    shape: tuple[int, ...]
    vectors: Vectors
    ids: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray | None
    exact: Exact
    searcher: Searcher
    whitening: Whitening | None
    reference: Reference
    recall: Recall
    stored: np.dtype
    _place_of_id: dict[str, int] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        words = f"{len(self)} of {self.vectors.size} numbers"
        return f"<Index {self.layer} ({self.form}): {words}, {self.settings.key}, {self.recall}>"

    @property
    def metric(self) -> Metric:
        """What near means."""
        return METRICS[self.settings.metric]

    def mapped(self, rows: object, argument: str = "queries") -> np.ndarray:
        """Return representations `(q, ...)` in the space that is searched, `(q, d)` float32.

        Those of an index of positions are `(q, positions, channels)`, and become a row each.
        """
        flat = as_queries(rows, self._size(), argument)
        if self.vectors.per_example > 1:
            flat = flat.reshape(-1, self.vectors.size)
        return flat if self.whitening is None else self.whitening(flat)

    def _size(self) -> int:
        return self.vectors.size * self.vectors.per_example

    def search(
        self,
        rows: object,
        k: int = 10,
        *,
        ids: np.ndarray | list[str] | None = None,
        drop_duplicates: bool = True,
    ) -> Neighbours:
        """Return the k nearest of each representation.

        Args:
            rows: `(q, ...)`, an array or a tensor, as the layer gives them in the index's form.
            k: neighbours.
            ids: of the queries; the example of that id is no neighbour of its own.
            drop_duplicates: leave out vectors that are the query itself up to rounding; how many
                they were is told.

        Raises:
            InputError: the rows do not fit the index, or there are not k others.
        """
        queries = self.mapped(rows)
        own = self._own(ids, len(queries))
        return self.search_mapped(queries, k, own=own, drop_duplicates=drop_duplicates)

    def search_mapped(
        self,
        queries: np.ndarray,
        k: int,
        *,
        own: np.ndarray | None = None,
        drop_duplicates: bool = True,
    ) -> Neighbours:
        """Return the k nearest of queries that are in the searched space already.

        Args:
            queries: `(q, d)` float32.
            k: neighbours.
            own: `(q,)`, the example that is no neighbour, -1 for none.
            drop_duplicates: as for `search`.

        Raises:
            InputError: there are not k neighbours.
        """
        many, n = self.vectors.per_example, len(self.vectors)
        left_out = many if own is not None else 0
        if not 1 <= k <= n - left_out:
            raise InputError(f"k: expected 1 to {n - left_out} neighbours, found {k}.")
        nobody = np.full(len(queries), -1, np.int64)
        own = nobody if own is None else np.asarray(own, np.int64)
        places = np.empty((len(queries), k), np.int64)
        costs = np.empty((len(queries), k))
        duplicates = np.zeros(len(queries), np.int64)
        waiting, width = np.arange(len(queries)), min(n, k + left_out + 1)
        while len(waiting):
            found, cost = self.searcher.search(queries[waiting], width)
            another = self.vectors.examples(found) != own[waiting, None]
            same = np.zeros_like(another)
            if drop_duplicates:
                same = self._same(queries[waiting], found, cost) & another
            allowed = another & ~same
            enough = allowed.sum(1) >= k
            kept = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
            done = waiting[enough]
            places[done] = np.take_along_axis(found, kept, 1)[enough]
            costs[done] = np.take_along_axis(cost, kept, 1)[enough]
            duplicates[waiting] = same.sum(1)
            waiting = waiting[~enough]
            if len(waiting) and width == n:
                raise InputError(
                    f"k: {k} neighbours asked for, but a query has fewer that are not itself "
                    f"among the {n} of the index."
                )
            width = min(n, 2 * width)
        return self._described(places, self.metric.shown(costs), duplicates)

    def _same(self, queries: np.ndarray, places: np.ndarray, costs: np.ndarray) -> np.ndarray:
        """Say which of the vectors found are the query itself, up to rounding, `(q, m)`.

        Rounding happened before whitening, so it is undone: it would magnify the rounding.
        """
        share = SAME[self.stored]
        if self.metric.normed and self.whitening is None:
            return costs <= share**2 / 2
        exact = queries.astype(np.float64)
        if self.whitening is None and not self.metric.product:
            return costs <= share**2 * np.square(exact).sum(1)[:, None]
        found = np.empty(costs.shape, dtype=bool)
        for i, row in enumerate(places):
            gaps, own = self.vectors.take(row) - exact[i], exact[i : i + 1]
            if self.whitening is not None:
                gaps, own = self.whitening.undone(gaps), self.whitening.undone(own)
                own = own + self.whitening.mean
            found[i] = np.square(gaps).sum(1) <= share**2 * np.square(own).sum()
        return found

    def _described(
        self, places: np.ndarray, distances: np.ndarray, duplicates: np.ndarray
    ) -> Neighbours:
        examples = self.vectors.examples(places)
        many = self.vectors.per_example
        return Neighbours(
            places,
            self.ids[examples],
            self.labels[examples],
            None if self.predictions is None else self.predictions[examples],
            distances,
            places % many if many > 1 else None,
            duplicates,
        )

    def _own(self, ids: np.ndarray | list[str] | None, queries: int) -> np.ndarray | None:
        """Return the example of each query's id, -1 where it is not in the index."""
        if ids is None:
            return None
        many = self.vectors.per_example
        if len(ids) * many != queries:
            raise InputError(f"ids: expected one per query, found {len(ids)} for {queries}.")
        if not self._place_of_id:
            self._place_of_id.update({str(name): i for i, name in enumerate(self.ids)})
        found = np.array([self._place_of_id.get(str(name), -1) for name in ids], np.int64)
        return np.repeat(found, many)

    def example(self, id_: str) -> int:
        """Return the place of the example with an id.

        Raises:
            InputError: there is none.
        """
        own = self._own([id_], self.vectors.per_example)
        assert own is not None
        if own[0] < 0:
            raise unknown_name("id", str(id_), map(str, self.ids))
        return int(own[0])

    def check(self, classifier: Classifier | None = None, images: ImageSet | None = None) -> None:
        """Make sure that the index is of a classifier, and of an image set.

        An index of arrays does not know of whom it is, and passes.

        Raises:
            InputError: it is another's.
        """
        if classifier is not None and self.classifier:
            found = fingerprint(classifier)
            if found != self.classifier:
                raise InputError(
                    f"index: {self.folder} is of another classifier ({self.classifier[:12]}), "
                    f"found {found[:12]}."
                )
        if images is not None and self.images and images.fingerprint != self.images:
            raise InputError(
                f"index: {self.folder} is of another image set ({self.images[:12]}), found "
                f"{images.fingerprint[:12]}."
            )
