"""The ways to find a path, by name, and what their paths are like, pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import torch
from torch import Tensor

from landscape.connectivity.barrier import as_table, barrier
from landscape.connectivity.bypass import bypass
from landscape.connectivity.curves import bezier, polychain
from landscape.connectivity.elastic_band import elastic_band
from landscape.connectivity.level_set import level_set
from landscape.connectivity.paths import Paths, straight_line
from landscape.loss import Loss

STRAIGHT = "straight_line"
SEARCHES: dict[str, Callable[..., Paths]] = {
    "bypass": bypass,
    "polychain": polychain,
    "bezier": bezier,
    "elastic_band": elastic_band,
    "level_set": level_set,
}
WAYS = (STRAIGHT, *SEARCHES)
COLUMNS = (
    "id", "kind", "barrier", "loss_first", "loss_second", "mean_loss", "peak", "deviation",
    "mean_deviation", "length", "kept", "gradients", "forwards", "outside", "losses",
    "straight_barrier",
)  # fmt: skip
"""What is known of a path."""
DRAWN = 101
"""Points of each path whose losses are kept, to be drawn."""


def joined(
    loss: Loss,
    first: Tensor,
    second: Tensor,
    ways: Sequence[str],
    *,
    threshold: float = 0.1,
    budget: int = 128,
    points: int = 1001,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Return one row per way and pair: the straight line's first, then those of the other ways.

    Args:
        loss: the cross-entropy of the pairs' classes.
        first, second: the ends, `(n, ...)`, pixels in [0, 1].
        ways: of `WAYS`; the straight line is always among the rows.
        threshold, budget: of the searches.
        points: of each path that are looked at when it has been found.
        ids: of the pairs.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Returns:
        `COLUMNS`: those of `table`, `losses` at 101 of the points, and `straight_barrier`.

    Cost: for each way its search and, for the pairs it spent gradients on, `points` forward passes.
    The other paths are the straight line.
    """
    line = straight_line(first, second)
    straight = _measured(loss, line, ids, points, batch_size)
    found = [straight]
    for way in ways:
        if way == STRAIGHT:
            continue
        paths = SEARCHES[way](
            loss, first, second, threshold=threshold, budget=budget, batch_size=batch_size
        )
        spent = {"gradients": paths.gradients.numpy(), "forwards": paths.forwards.numpy()}
        rows = straight.assign(kind=way, **spent)
        bent = paths.gradients.nonzero().squeeze(1)
        if len(bent):
            names = [straight["id"][int(i)] for i in bent]
            own = _measured(loss.select(bent), paths.select(bent), names, points, batch_size)
            straightly = rows[(paths.gradients == 0).numpy()]
            rows = pd.concat([straightly, own.set_axis(bent.tolist())])
        found.append(rows.sort_index())
    return pd.concat(
        [rows.assign(straight_barrier=straight["barrier"]) for rows in found], ignore_index=True
    )


def _measured(
    loss: Loss, paths: Paths, ids: Sequence[str] | None, points: int, batch_size: int
) -> pd.DataFrame:
    """Return the table of paths, with the losses along them."""
    found = barrier(loss, paths, points, batch_size=batch_size)
    drawn = torch.linspace(0, points - 1, min(points, DRAWN)).round().to(torch.int64)
    curves = found.losses[:, drawn].to(torch.float32).numpy()
    rows = as_table(found, paths, ids=ids)
    return rows.assign(losses=pd.Series(list(curves), index=rows.index))
