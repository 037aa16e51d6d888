"""Reading some moves: the tables of `explain_move` for one kind of move."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from interpret.index.index import Index, Neighbours
from interpret.moves.ahead import ahead
from interpret.moves.class_means import towards_classes
from interpret.moves.head import SplicedHead
from interpret.moves.manifold import local_residuals, percentiles
from interpret.moves.neighbourhoods import composition, entropy, majority, overlap
from interpret.moves.paths import change_shares, points


@dataclass(frozen=True)
class Task:
    """Moves to be read.

    Attributes:
        before: `(n, ...)` float32.
        after: `(n, ...)` float32.
        ids: `(n,)`.
        own: `(n,)`, the place in the index of each example, -1 for one that is not in it.
        labels: `(n,)`; None for the class of most neighbours.
        which: `(n,)`, their places among all moves.
        k: neighbours.
        shares: of the way, from 0 to 1.
    """

    before: np.ndarray
    after: np.ndarray
    ids: np.ndarray
    own: np.ndarray
    labels: np.ndarray | None
    which: np.ndarray
    k: int
    shares: np.ndarray

    def __len__(self) -> int:
        return len(self.before)

    def part(self, rows: slice, after: np.ndarray) -> Task:
        """Return some of the moves, with other ends."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(
            self, before=self.before[rows], after=after[rows], ids=self.ids[rows],
            own=self.own[rows], labels=labels, which=self.which[rows],
        )  # fmt: skip

    def at(self, which: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Return points of some moves, each at a share of its way, as the layer gives them."""
        return points(self.before[which], self.after[which], shares)


@dataclass(frozen=True)
class Reading:
    """The tables of some moves; see `Explanation`."""

    moves: pd.DataFrame
    path: pd.DataFrame
    neighbours: pd.DataFrame
    ahead: pd.DataFrame


def read(
    task: Task, index: Index, genuine: np.ndarray, head: SplicedHead | None, kind: str
) -> Reading:
    """Read moves of one kind.

    Args:
        task: the moves.
        index: of genuine representations.
        genuine: their residuals, `genuine_residuals(index)`.
        head: tells what the classifier predicts; None for no predictions.
        kind: `move` or `random`, as the tables say.
    """
    n, many, classes = len(task), len(task.shares), len(index.class_names)
    which, shares = np.repeat(np.arange(n), many), np.tile(task.shares, n)
    rows = task.at(which, shares)
    near = index.search_mapped(index.mapped(rows), task.k, own=task.own[which])
    along = majority(near.labels, classes).reshape(n, many)
    predicted = None
    if head is not None:
        predicted = head(task.which[which], rows).argmax(1).reshape(n, many)
    own_class = along[:, 0] if task.labels is None else task.labels
    share = composition(near.labels, classes)[np.arange(n * many), own_class[which]]
    share = share.reshape(n, many)
    table = {
        "kind": kind,
        "id": task.ids,
        "label": own_class,
        **_ends(near, along, predicted, share, n, many, classes),
        **_changes(task, index, head, along, predicted),
        **_lengths(task, index),
        **_far(task, index, near, genuine, n, many),
    }
    pointing, lying_ahead = _pointing(task, index, own_class, kind)
    table |= pointing | {"duplicates": near.duplicates.reshape(n, many)[:, 0]}
    path = {
        "kind": kind,
        "id": task.ids[which],
        "share": shares,
        "neighbourhood": along.ravel(),
        "prediction": None if predicted is None else predicted.ravel(),
        "own_class": share.ravel(),
        "distance": near.distances[:, 0],
    }
    return Reading(
        pd.DataFrame(table),
        pd.DataFrame(path),
        _neighbours(near, task.ids[which], shares, kind),
        lying_ahead,
    )


def _ends(
    near: Neighbours, along: np.ndarray, predicted: np.ndarray | None, share: np.ndarray,
    n: int, many: int, classes: int,
) -> dict[str, object]:  # fmt: skip
    """Describe the neighbourhoods of both ends, and what they have in common."""
    mixed = entropy(composition(near.labels, classes)).reshape(n, many)
    places = near.places.reshape(n, many, -1)
    found: dict[str, object] = {}
    for name, at in (("before", 0), ("after", -1)):
        found[f"neighbourhood_{name}"] = along[:, at]
        found[f"prediction_{name}"] = None if predicted is None else predicted[:, at]
        found[f"own_class_{name}"] = share[:, at]
        found[f"entropy_{name}"] = mixed[:, at]
    return found | {"overlap": overlap(places[:, 0], places[:, -1])}


def _changes(
    task: Task, index: Index, head: SplicedHead | None, along: np.ndarray,
    predicted: np.ndarray | None,
) -> dict[str, object]:  # fmt: skip
    """Find where the neighbourhood and the prediction become another."""

    def neighbourhood(which: np.ndarray, shares: np.ndarray) -> np.ndarray:
        rows = index.mapped(task.at(which, shares))
        near = index.search_mapped(rows, task.k, own=task.own[which])
        return majority(near.labels, len(index.class_names))

    found: dict[str, object] = {
        "neighbourhood_changes_at": change_shares(along, task.shares, neighbourhood),
        "prediction_changes_at": np.nan,
    }
    if head is not None and predicted is not None:

        def prediction(which: np.ndarray, shares: np.ndarray) -> np.ndarray:
            return head(task.which[which], task.at(which, shares)).argmax(1)

        found["prediction_changes_at"] = change_shares(predicted, task.shares, prediction)
    return found


def _lengths(task: Task, index: Index) -> dict[str, object]:
    """Measure moves, in units of the distances between indexed examples where these are l2."""
    moves = index.mapped(task.after).astype(np.float64) - index.mapped(task.before)
    length = np.linalg.norm(moves, axis=1)
    reference = index.reference
    units = {
        "nearest": reference.nearest[:, 0],
        "same_class": reference.same_class,
        "other_class": reference.other_class,
    }
    found: dict[str, object] = {"length": length}
    for name, distances in units.items():
        known = distances[np.isfinite(distances)]
        comparable = index.metric.name == "l2" and len(known) > 0 and np.median(known) > 0
        unit = float(np.median(known)) if comparable else np.nan
        found[f"length_of_{name}"] = length / unit
    return found


def _far(
    task: Task, index: Index, near: Neighbours, genuine: np.ndarray, n: int, many: int
) -> dict[str, object]:
    """Measure how far both ends are from genuine examples."""
    distances = near.distances[:, -1].reshape(n, many)
    usual = index.reference.nearest[:, task.k - 1]
    found: dict[str, object] = {}
    for name, at, rows in (("before", 0, task.before), ("after", -1, task.after)):
        residuals = local_residuals(index, index.mapped(rows), task.own)
        found[f"distance_{name}"] = distances[:, at]
        found[f"percentile_{name}"] = percentiles(distances[:, at], usual)
        found[f"residual_{name}"] = residuals
        found[f"residual_percentile_{name}"] = percentiles(residuals, genuine)
    return found


def _pointing(
    task: Task, index: Index, own_class: np.ndarray, kind: str
) -> tuple[dict[str, object], pd.DataFrame]:
    """Find what moves point to: class means, and examples."""
    starts = index.mapped(task.before)
    moves = index.mapped(task.after).astype(np.float64) - starts
    found = towards_classes(starts.astype(np.float64), moves, index.reference.means, own_class)
    places, cosines = ahead(index, starts, moves, task.k, task.own)
    examples = index.vectors.examples(places)
    labels = index.labels[examples]
    shares = composition(labels, len(index.class_names))
    most = majority(labels, len(index.class_names))
    table: dict[str, object] = {
        "towards": found.toward,
        "towards_nearest": found.nearest,
        "towards_cosine": found.cosine,
        "towards_p": found.p,
        "mean_difference": found.difference,
        "mean_difference_cosine": found.difference_cosine,
        "ahead": most,
        "ahead_share": shares[np.arange(len(task)), most],
    }
    lying_ahead = pd.DataFrame(
        {
            "kind": kind,
            "id": np.repeat(task.ids, task.k),
            "rank": np.tile(np.arange(task.k), len(task)),
            "neighbour": index.ids[examples].ravel(),
            "label": labels.ravel(),
            "cosine": cosines.ravel(),
        }
    )
    return table, lying_ahead


def _neighbours(near: Neighbours, ids: np.ndarray, shares: np.ndarray, kind: str) -> pd.DataFrame:
    k = near.places.shape[1]
    return pd.DataFrame(
        {
            "kind": kind,
            "id": np.repeat(ids, k),
            "share": np.repeat(shares, k),
            "rank": np.tile(np.arange(k), len(ids)),
            "neighbour": near.ids.ravel(),
            "label": near.labels.ravel(),
            "prediction": None if near.predictions is None else near.predictions.ravel(),
            "distance": near.distances.ravel(),
        }
    )
