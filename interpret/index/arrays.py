"""An index of representations that are at hand as an array."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.errors import InputError
from interpret.index.exact import Exact
from interpret.index.index import Index
from interpret.index.metrics import METRICS
from interpret.index.recall import Recall
from interpret.index.reference import Reference
from interpret.index.settings import Settings
from interpret.index.vectors import Vectors


def index_of(
    rows: np.ndarray,
    labels: np.ndarray,
    *,
    ids: np.ndarray | None = None,
    class_names: tuple[str, ...] | None = None,
    metric: str = "l2",
    layer: str = "",
) -> Index:
    """Return an exact index of representations that are at hand as an array, kept nowhere.

    Args:
        rows: `(n, ...)`, float32 or float16.
        labels: `(n,)`, true classes.
        ids: of the examples; default: their places.
        class_names: default: the numbers of the classes.
        metric: see `METRICS`.
        layer: what the rows are of.

    Raises:
        InputError: shapes that do not fit, or fewer than two rows.

    >>> index = index_of(np.eye(3, dtype=np.float32), np.array([0, 1, 1]))
    >>> index.search(np.array([[0.1, 0.9, 0.0]]), k=1).labels
    array([[1]])
    """
    settings = Settings(metric=metric)
    found, labels = np.asarray(rows), np.asarray(labels, np.int64)
    if found.dtype != np.float16:
        found = found.astype(np.float32)
    if len(found) < 2 or labels.shape != (len(found),):
        raise InputError(
            f"index: expected at least 2 rows and as many labels, found {len(found)} and "
            f"{len(labels)}."
        )
    classes = int(labels.max()) + 1
    names = class_names or tuple(str(c) for c in range(classes))
    vectors = Vectors(found)
    exact = Exact.of(vectors, METRICS[metric])
    return Index(
        folder=Path(),
        layer=layer,
        form="whole",
        classifier="",
        images="",
        class_names=names,
        settings=settings,
        shape=found.shape[1:],
        vectors=vectors,
        ids=np.arange(len(found)).astype(str) if ids is None else np.asarray(ids).astype(str),
        labels=labels,
        predictions=None,
        exact=exact,
        searcher=exact,
        whitening=None,
        reference=Reference.of(exact, labels, len(names)),
        recall=Recall(),
        stored=found.dtype,
    )
