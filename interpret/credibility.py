"""Deep k-nearest neighbours: how well what a network computes of an input is backed by examples.

At each of several layers the nearest examples of an input are looked up. The more of them have
another class than j, the less class j conforms; how unusual that is, is told by calibration
examples that neither the network nor the index has seen (Papernot and McDaniel 2018, Deep k-nearest
neighbors). The p values are conformal with smoothed ties (Vovk, Gammerman, Shafer 2005, 2.4): for
an input drawn like the calibration examples, that of its true class is uniform, exactly, so that
`P(p <= a) = a`. Counts of neighbours have many ties; unsmoothed p values are too large, and so a
low one appears less often than it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.randomness import generator
from interpret.index.index import Index

K = 75
"""Neighbours at each layer, as in the paper."""


@dataclass(frozen=True)
class Credibility:
    """What the neighbours at all layers say of inputs.

    Attributes:
        p_values: `(m, classes)`: of each class to be the input's.
        predictions: `(m,)`, the class with the largest.
        credibility: `(m,)`, the largest p value: low where no class is backed by the examples.
        confidence: `(m,)`, one minus the second largest: low where several are.
    """

    p_values: np.ndarray
    predictions: np.ndarray
    credibility: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True)
class Calibrated:
    """Nonconformity of the calibration examples, to which that of others is compared.

    Attributes:
        scores: `(n,)`, of their true class, in rising order.
        classes: how many there are.
    """

    scores: np.ndarray
    classes: int

    @staticmethod
    def of(neighbour_labels: Sequence[np.ndarray], labels: np.ndarray, classes: int) -> Calibrated:
        """Calibrate with the neighbours of examples that are in no index.

        Args:
            neighbour_labels: of each layer, `(n, k)`: classes of the neighbours.
            labels: `(n,)`, the examples' own.
            classes: how many there are.

        Raises:
            InputError: shapes that do not fit.
        """
        found = nonconformity(neighbour_labels, classes)
        if len(labels) != len(found) or not len(labels):
            raise InputError(f"labels: expected {len(found)}, above 0, found {len(labels)}.")
        return Calibrated(np.sort(found[np.arange(len(found)), labels]), classes)

    def __call__(
        self,
        neighbour_labels: Sequence[np.ndarray],
        ids: Sequence[str] | np.ndarray,
        *,
        seed: int = 0,
    ) -> Credibility:
        """Judge inputs by the neighbours that they have at the same layers.

        Args:
            neighbour_labels: of each layer, `(m, k)`.
            ids: `(m,)`, of the inputs, for which ties are broken.
            seed: of the breaking.
        """
        found = nonconformity(neighbour_labels, self.classes)
        if len(ids) != len(found):
            raise InputError(f"ids: expected {len(found)}, found {len(ids)}.")
        drawn = [generator(seed, str(name), "credibility").random() for name in ids]
        p = conformal_p(found, self.scores, np.array(drawn)[:, None])
        ordered = np.sort(p, axis=1)
        second = ordered[:, -2] if self.classes > 1 else np.zeros(len(p))
        return Credibility(p, p.argmax(1), ordered[:, -1], 1 - second)


def nonconformity(neighbour_labels: Sequence[np.ndarray], classes: int) -> np.ndarray:
    """Return for each class how many neighbours, over all layers, have another, `(m, classes)`.

    >>> nonconformity([np.array([[0, 0, 1]]), np.array([[0, 1, 2]])], 3)
    array([[3, 4, 5]])

    Raises:
        InputError: no layer, or other numbers of inputs at different layers.
    """
    counts = {len(found) for found in neighbour_labels}
    if len(counts) != 1:
        raise InputError(
            f"neighbour_labels: expected as many inputs at each layer, found {sorted(counts)}."
        )
    others = np.zeros((counts.pop(), classes), np.int64)
    for found in neighbour_labels:
        others += found.shape[1]
        for column in found.T:
            others[np.arange(len(found)), column] -= 1
    return others


def conformal_p(scores: np.ndarray, calibration: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return smoothed conformal p values, in the shape of the scores.

    `p = (#{c > s} + u (#{c = s} + 1)) / (n + 1)` over n calibration scores c, with u uniform on
    [0, 1): uniform itself if s is exchangeable with them.

    Args:
        scores: of any shape; the larger the less conforming.
        calibration: `(n,)`.
        uniform: broadcasts against the scores.

    >>> conformal_p(np.array([2]), np.array([1, 2, 2, 3]), np.array([0.5]))
    array([0.5])
    """
    ordered = np.sort(calibration)
    below = np.searchsorted(ordered, scores, side="left")
    to = np.searchsorted(ordered, scores, side="right")
    return np.asarray((len(ordered) - to + uniform * (to - below + 1)) / (len(ordered) + 1))


def deep_knn(
    indices: Mapping[str, Index],
    calibration: Mapping[str, np.ndarray],
    calibration_labels: np.ndarray,
    rows: Mapping[str, np.ndarray],
    ids: Sequence[str] | np.ndarray,
    *,
    calibration_ids: Sequence[str] | np.ndarray | None = None,
    k: int = K,
    seed: int = 0,
) -> Credibility:
    """Judge inputs by their neighbours at several layers.

    Args:
        indices: layer -> index, most sensibly of training examples.
        calibration: layer -> representations `(n, ...)` of examples that were not trained on.
        calibration_labels: `(n,)`.
        rows: layer -> representations `(m, ...)` of the inputs.
        ids: `(m,)`, of the inputs; one that is in an index is no neighbour of its own.
        calibration_ids: `(n,)`, to leave out likewise.
        k: neighbours at each layer.
        seed: of the breaking of ties.

    Raises:
        InputError: a layer is missing, or shapes do not fit.
    """
    if not indices:
        raise InputError("indices: expected at least one layer.")
    for name, given in (("calibration", calibration), ("rows", rows)):
        if missing := [layer for layer in indices if layer not in given]:
            raise InputError(f"{name}: nothing at {missing[0]}, found {', '.join(given)}.")
    classes = max(len(index.class_names) for index in indices.values())

    def looked_up(given: Mapping[str, np.ndarray], names: object) -> list[np.ndarray]:
        known = None if names is None else np.asarray(names)
        return [index.search(given[at], k, ids=known).labels for at, index in indices.items()]

    calibrated = Calibrated.of(
        looked_up(calibration, calibration_ids), np.asarray(calibration_labels), classes
    )
    return calibrated(looked_up(rows, ids), ids, seed=seed)


def local_dimension(distances: np.ndarray) -> np.ndarray:
    """Return the local intrinsic dimension by maximum likelihood, `(m,)`.

    `-1 / mean_i log(r_i / r_k)` over the k nearest distances, r_k the largest (Amsaleg et al. 2015,
    Estimating local intrinsic dimensionality). Infinite where all are equal.

    Args:
        distances: `(m, k)`, above 0, k >= 2; without the point itself and its duplicates.

    >>> local_dimension(np.array([[1.0, 2.0, 4.0]])).round(4)
    array([1.4427])

    Raises:
        InputError: fewer than two distances, or one that is not above 0.
    """
    distances = np.asarray(distances, dtype=np.float64)
    if distances.ndim != 2 or distances.shape[1] < 2:
        raise InputError(f"distances: expected (m, k >= 2), found shape {distances.shape}.")
    if not (distances > 0).all():
        raise InputError("distances: expected numbers above 0; leave duplicates out.")
    logs = np.log(distances / distances.max(1, keepdims=True)).mean(1)
    return np.divide(-1.0, logs, out=np.full(len(logs), np.inf), where=logs < 0)
