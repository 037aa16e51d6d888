"""Clusters of moves: whether moves go a few ways, or each its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST = 10
USED = 2000
"""Moves that clusters are found from; further ones join the nearest."""
LEAST = 0.1
"""Silhouettes below this are no clusters."""


@dataclass(frozen=True)
class Clusters:
    """Groups of moves by their direction.

    Attributes:
        labels: `(n,)`, largest cluster first; all 0 where there is one alone; -1 for a move of
            length 0, which has no direction.
        silhouette: how well the clusters are apart, from -1 to 1; NaN where there is one alone.
        coherence: `(clusters,)`, length of the mean of the unit moves: 1 if all are parallel.
    """

    labels: np.ndarray
    silhouette: float
    coherence: np.ndarray


def cluster_moves(moves: np.ndarray, *, most: int = MOST) -> Clusters:
    """Group moves `(n, ...)` by their directions.

    Average linkage on one minus the cosine; of 2 to `most` clusters the number with the largest
    mean silhouette (Rousseeuw 1987), and a single one if that is below .1.
    """
    flat = moves.reshape(len(moves), -1).astype(np.float64)
    long = np.linalg.norm(flat, axis=1)
    going = np.flatnonzero(long > 0)
    labels = np.full(len(moves), -1, np.int64)
    if not len(going):
        return Clusters(labels, float("nan"), np.empty(0))
    units = flat[going] / long[going, None]
    found, silhouette = _grouped(units[:USED], most)
    means = np.stack([units[:USED][found == c].mean(0) for c in range(found.max() + 1)])
    if len(units) > USED:
        found = np.concatenate([found, (units[USED:] @ means.T).argmax(1)])
    order = np.argsort(-np.bincount(found), kind="stable")
    labels[going] = np.argsort(order, kind="stable")[found]
    coherence = [float(np.linalg.norm(units[found == c].mean(0))) for c in order]
    return Clusters(labels, silhouette, np.array(coherence))


def _grouped(units: np.ndarray, most: int) -> tuple[np.ndarray, float]:
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import silhouette_score

    alone = np.zeros(len(units), np.int64), float("nan")
    if len(units) < 8:
        return alone
    gaps = np.clip(1 - units @ units.T, 0, 2)
    np.fill_diagonal(gaps, 0)
    best = alone
    for count in range(2, min(most, len(units) // 4) + 1):
        found = AgglomerativeClustering(count, metric="precomputed", linkage="average")
        labels = found.fit_predict(gaps).astype(np.int64)
        score = float(silhouette_score(gaps, labels, metric="precomputed"))
        if score >= LEAST and not score <= best[1]:
            best = labels, score
    return best
