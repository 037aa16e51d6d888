"""How high and how far paths go: barrier, deviation and label on densely spaced points."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.errors import InputError
from landscape.connectivity.paths import Paths
from landscape.loss import InputFunction, Loss, blocks, example_ids, finite, precise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


@dataclass(frozen=True)
class Barrier:
    """What was found on the points of each path; `(n,)` where not said, float64 on the CPU.

    Attributes:
        barrier: largest loss on the path minus the larger loss of its two ends, in nats; never
            negative.
        first: loss at the first end.
        second: loss at the second end.
        mean: mean loss on the points.
        peak: where the loss is largest, as a place in [0, 1].
        deviation: *largest* l2 distance of a point to the chord over the chord's length; 0 for a
            chord of length 0.
        mean_deviation: the mean distance over the chord's length.
        kept: share of points that are classified as the pair's class; NaN for a loss that is not a
            `Loss`.
        outside: share of points with a pixel outside [0, 1], without tolerance.
        losses: on the points, `(n, points)`.
    """

    barrier: Tensor
    first: Tensor
    second: Tensor
    mean: Tensor
    peak: Tensor
    deviation: Tensor
    mean_deviation: Tensor
    kept: Tensor
    outside: Tensor
    losses: Tensor


def barrier(
    loss: InputFunction, paths: Paths, points: int = 1001, *, batch_size: int = 256
) -> Barrier:
    """Measure paths on equidistant points, from the first end to the second.

    Args:
        loss: see `landscape.loss`.
        paths: see `Paths.points` for what equidistant means.
        points: at least 2; the barrier found is a lower bound of the path's.
        batch_size: points held at a time; it changes the numbers by float rounding only.

    Raises:
        InputError: fewer than 2 points; a loss that is not finite.

    Cost: `points` forward passes per pair.

    >>> path = Paths(torch.tensor([[[0.0, 0.0], [0.5, 0.5], [1.0, 0.0]]]), "example", "polyline",
    ...              torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
    >>> found = barrier(lambda x: x[:, 1], path, points=101)
    >>> found.barrier, found.deviation
    (tensor([0.5000], dtype=torch.float64), tensor([0.5000], dtype=torch.float64))
    """
    if points < 2:
        raise InputError(f"points: expected at least 2, found {points}.")
    at = torch.linspace(0, 1, points, dtype=torch.float64)
    found = [_measured(loss, paths, at, 1)] if not len(paths) else []
    for rows, part, nodes in blocks(loss, paths.nodes, batch_size):
        at_once = max(1, batch_size // len(nodes))
        found.append(_measured(part, paths.select(rows), at, at_once))
    names = [field.name for field in fields(Barrier)]
    return Barrier(**{name: torch.cat([part[name] for part in found]) for name in names})


def table(
    loss: InputFunction,
    paths: Paths,
    *,
    ids: Sequence[str] | None = None,
    points: int = 1001,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Return `barrier` as a table, one row per pair, with what the search spent.

    Columns: `id`, `kind` (of path), `barrier`, `loss_first`, `loss_second`, `mean_loss`, `peak`,
    `deviation` (largest distance to the chord over its length), `mean_deviation`, `length` (of the
    chord, l2), `kept`, `gradients`, `forwards`, `outside`. A pair of identical images has length 0.
    """
    found = barrier(loss, paths, points, batch_size=batch_size)
    return as_table(found, paths, ids=ids)


def as_table(found: Barrier, paths: Paths, *, ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Return what `barrier` found on paths as the table that `table` describes."""
    import pandas as pd

    return pd.DataFrame(
        {
            "id": example_ids(ids, len(paths)),
            "kind": paths.kind,
            "barrier": found.barrier.numpy(),
            "loss_first": found.first.numpy(),
            "loss_second": found.second.numpy(),
            "mean_loss": found.mean.numpy(),
            "peak": found.peak.numpy(),
            "deviation": found.deviation.numpy(),
            "mean_deviation": found.mean_deviation.numpy(),
            "length": precise(paths.chords()).numpy(),
            "kept": found.kept.numpy(),
            "gradients": paths.gradients.numpy(),
            "forwards": paths.forwards.numpy(),
            "outside": found.outside.numpy(),
        }
    )


def _measured(loss: InputFunction, paths: Paths, at: Tensor, at_once: int) -> dict[str, Tensor]:
    """Return the columns of `Barrier` for a block of pairs, some points at a time."""
    n = len(paths)
    highest = torch.full((n,), -torch.inf, dtype=torch.float64)
    peak, farthest, far, kept, outside = torch.zeros(5, n, dtype=torch.float64)
    losses = []
    for places in at.split(at_once):
        points = paths.points(places)
        values, right = _loss_and_label(loss, points)
        losses.append(values)
        value, place = values.max(0)
        peak = torch.where(value > highest, places[place], peak)
        highest = torch.maximum(highest, value)
        distance = precise(paths.strays(points))
        farthest = torch.maximum(farthest, distance.amax(0))
        far += distance.sum(0)
        kept += right.sum(0)
        outside += precise(((points < 0) | (points > 1)).flatten(2).any(2)).sum(0)
    heights = torch.cat(losses).T
    length = precise(paths.chords())
    scale = torch.where(length > 0, 1 / length, 0)
    return {
        "barrier": highest - torch.maximum(heights[:, 0], heights[:, -1]),
        "first": heights[:, 0],
        "second": heights[:, -1],
        "mean": heights.mean(1),
        "peak": peak,
        "deviation": farthest * scale,
        "mean_deviation": far / len(at) * scale,
        "kept": kept / len(at),
        "outside": outside / len(at),
        "losses": heights,
    }


def _loss_and_label(loss: InputFunction, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses and whether the label is kept, both `(k, n)`, from one forward pass."""
    with torch.no_grad():
        if isinstance(loss, Loss):
            logits = loss.logits(points.flatten(0, 1))
            values, right = loss.of_logits(logits), precise(loss.kept(logits))
        else:
            values = loss(points.flatten(0, 1))
            right = torch.full((len(values),), torch.nan, dtype=torch.float64)
    shape = points.shape[:2]
    return finite(precise(values)).reshape(shape), right.reshape(shape)
