"""`explain_move`: a move in a hidden layer, read through its neighbours, beside a random one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from core.errors import InputError
from core.models import Classifier
from interpret.index.index import Index
from interpret.index.reference import NEIGHBOURS
from interpret.index.vectors import as_queries
from interpret.moves.clusters import Clusters, cluster_moves
from interpret.moves.control import random_moves
from interpret.moves.head import SplicedHead
from interpret.moves.manifold import genuine_residuals
from interpret.moves.reading import Reading, Task, read

MOVE, RANDOM = "move", "random"
BYTES = 2**27
"""Most bytes of the points of the moves that are read at once."""


@dataclass(frozen=True)
class Explanation:
    """What was read off moves and off random ones of equal length, which are the control.

    Every table has the column `kind`, `move` or `random`, and `id`.

    Attributes:
        moves: a row per move, see `explain_move`.
        path: a row per move and point: `share` of the way, `neighbourhood` (the class of most
            neighbours), `prediction` (None without a classifier), `own_class` (share of neighbours
            of the move's class), `distance` to the nearest.
        neighbours: a row per move, point and neighbour: `share`, `rank`, `neighbour` (its id),
            `label`, `prediction` (None where logits were not collected), `distance`.
        ahead: a row per move and example in its direction: `rank`, `neighbour`, `label`, `cosine`.
        clusters: of the moves, by their direction.
        random_clusters: of the random moves.
        recall: in words, what the index misses.
    """

    moves: pd.DataFrame
    path: pd.DataFrame
    neighbours: pd.DataFrame
    ahead: pd.DataFrame
    clusters: Clusters
    random_clusters: Clusters
    recall: str

    def of(self, kind: str) -> pd.DataFrame:
        """Return the rows of `moves` of one kind."""
        return self.moves[self.moves["kind"] == kind].reset_index(drop=True)


def explain_move(
    before: np.ndarray | Tensor,
    after: np.ndarray | Tensor,
    index: Index,
    *,
    labels: Sequence[int] | np.ndarray | Tensor | None = None,
    ids: Sequence[str] | np.ndarray | None = None,
    classifier: Classifier | None = None,
    images: Tensor | None = None,
    k: int = 10,
    points: int = 11,
    seed: int = 0,
    batch_size: int = 256,
) -> Explanation:
    """Read moves in a hidden layer through the genuine examples near them.

    Beside each move a random one of equal length from the same start is read in the same way: what
    it shows, too, says nothing of the move.

    Args:
        before: `(n, ...)`, where the moves start, as the layer gives it in the index's form.
        after: `(n, ...)`, where they end.
        index: of genuine representations at the layer, in l2 or cosine.
        labels: `(n,)`, the classes of the examples; default: those of most neighbours at the start.
        ids: of the examples: one that is in the index is no neighbour of its own; random moves
            are drawn for an id. Default: their places, and nothing is left out by id.
        classifier: to tell what it predicts along the way, with representations spliced in.
        images: `(n, c, h, w)`, of the starts; needed with a classifier.
        k: neighbours.
        points: along the way, both ends included.
        seed: of the random moves.
        batch_size: images in one forward pass.

    Returns:
        Tables. `moves` has, for each move:

        - `label`; `neighbourhood_before`, `neighbourhood_after`: the class of most neighbours;
          `prediction_before`, `prediction_after`; `own_class_before`, `own_class_after`: share of
          neighbours of the label's class; `entropy_before`, `entropy_after` of their classes, in
          nats; `overlap`: share of neighbours that both ends have
        - `neighbourhood_changes_at`, `prediction_changes_at`: share of the way, NaN if it does not
        - `length` in l2; for an index in l2 also `length_of_nearest`, `length_of_same_class`,
          `length_of_other_class`: as a multiple of the median distance of an indexed example to
          its nearest, to the nearest of its class, and to that of another class
        - `distance_before`, `distance_after` to the k-th neighbour, and their percentiles among
          indexed examples, `percentile_before`, `percentile_after`; `residual_before`,
          `residual_after` off the plane of local principal components, and their percentiles
        - `towards`: the class to whose mean it goes, -1 for none; `towards_nearest`,
          `towards_cosine`, `towards_p`: the class it points to best, how well, and how often a
          random direction does; `mean_difference`, `mean_difference_cosine`: the class B whose
          `mean(B) - mean(label)` it is most along
        - `ahead`: the class of most of the k examples in its direction; `ahead_share` of them
        - `cluster` of its direction; `duplicates` of the start that were left out

    Raises:
        InputError: shapes that do not fit, an index of positions or of inner products, an index of
            another classifier, more neighbours than the index knows of, or a classifier without
            images.

    Cost: about `2 n (points + 6)` searches; with a classifier `2 n (points + 4)` forward passes.
    """
    task = _task(before, after, index, labels, ids, k, points)
    head = _head(index, classifier, images, len(task), batch_size)
    genuine = genuine_residuals(index)
    random = random_moves(task.after - task.before, task.ids, seed=seed)
    step = max(1, BYTES // (4 * int(np.prod(task.before.shape[1:])) * points))
    readings: dict[str, list[Reading]] = {MOVE: [], RANDOM: []}
    ends = {MOVE: task.after, RANDOM: task.before + random}
    for kind, end in ends.items():
        for start in range(0, len(task), step):
            part = task.part(slice(start, start + step), end)
            readings[kind].append(read(part, index, genuine, head, kind))
    clusters = {
        kind: cluster_moves(index.mapped(end) - index.mapped(task.before))
        for kind, end in ends.items()
    }
    moves = [
        pd.concat([r.moves for r in found], ignore_index=True).assign(cluster=clusters[kind].labels)
        for kind, found in readings.items()
    ]
    every = [*readings[MOVE], *readings[RANDOM]]
    return Explanation(
        pd.concat(moves, ignore_index=True),
        pd.concat([r.path for r in every], ignore_index=True),
        pd.concat([r.neighbours for r in every], ignore_index=True),
        pd.concat([r.ahead for r in every], ignore_index=True),
        clusters[MOVE],
        clusters[RANDOM],
        str(index.recall),
    )


def _task(
    before: np.ndarray | Tensor,
    after: np.ndarray | Tensor,
    index: Index,
    labels: Sequence[int] | np.ndarray | Tensor | None,
    ids: Sequence[str] | np.ndarray | None,
    k: int,
    points: int,
) -> Task:
    """Return what is to be read, checked."""
    if index.form == "positions":
        raise InputError(
            "index: moves are read of whole or pooled representations, found positions."
        )
    if index.metric.name == "inner_product":
        raise InputError("index: moves are read in l2 or cosine, found inner_product.")
    size = index.vectors.size
    first, second = as_queries(before, size, "before"), as_queries(after, size, "after")
    n = len(first)
    if len(second) != n:
        raise InputError(f"after: expected {n} rows, as before has, found {len(second)}.")
    most = min(NEIGHBOURS, len(index) - 2)
    if not 1 <= k <= most:
        raise InputError(f"k: expected 1 to {most} neighbours, found {k}.")
    if points < 2:
        raise InputError(f"points: expected at least 2, the ends, found {points}.")
    for name, given in (("ids", ids), ("labels", labels)):
        if given is not None and len(given) != n:
            raise InputError(f"{name}: expected {n}, one per move, found {len(given)}.")
    names = np.arange(n).astype(str) if ids is None else np.asarray(ids).astype(str)
    own = np.full(n, -1, np.int64)
    if ids is not None:
        place = {str(name): i for i, name in enumerate(index.ids)}
        own = np.array([place.get(str(name), -1) for name in names], np.int64)
    classes = None if labels is None else np.asarray(labels, dtype=np.int64)
    if classes is not None and not ((classes >= 0) & (classes < len(index.class_names))).all():
        raise InputError(
            f"labels: expected 0 to {len(index.class_names) - 1}, found {classes.min()} to "
            f"{classes.max()}."
        )
    shape = (n, *index.shape)
    return Task(
        first.reshape(shape), second.reshape(shape), names, own, classes, np.arange(n), k,
        np.linspace(0, 1, points),
    )  # fmt: skip


def _head(
    index: Index, classifier: Classifier | None, images: Tensor | None, n: int, batch_size: int
) -> SplicedHead | None:
    if classifier is None:
        return None
    index.check(classifier)
    if index.form != "whole":
        raise InputError(
            f"classifier: representations in the form {index.form} cannot be spliced into it; "
            "leave it out, or collect them whole."
        )
    if images is None or len(images) != n:
        found = "none" if images is None else str(len(images))
        raise InputError(f"images: expected {n}, one per move, found {found}.")
    return SplicedHead(classifier, index.layer, images, batch_size)
