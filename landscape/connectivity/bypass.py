"""Bypass: where the loss on the path is largest, a node is inserted and pushed off the chord."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from landscape.connectivity.paths import Paths, lying
from landscape.connectivity.scan import neighbours, scan, worst_of_segments
from landscape.connectivity.search import GRID, Search, grid
from landscape.loss import InputFunction
from landscape.push import LONGEST, Push, push_of
from landscape.rows import ranks

TRIES = 6
"""Pushes per node and round; a node that is still too high comes back in the next round."""


def bypass(
    loss: InputFunction,
    first: Tensor,
    second: Tensor,
    *,
    threshold: float = 0.1,
    budget: int = 128,
    variation: float = 0.0,
    batch_size: int = 256,
) -> Paths:
    """Find polylines that stay below a barrier and close to the chord.

    Vrabel et al. (ICLR 2025) take the midpoint of the largest loss, lower its loss within the
    hyperplane orthogonal to the chord, with terms for the distance and the total variation, and
    repeat on both halves. Here each segment whose largest loss is above the threshold gets a node
    at that point, and the node takes the *shortest* steps that reach the level (`push.Push`: the
    distance and the variation are the metric they are shortest in), each cut to the box. Nodes
    stop as soon as they are low enough, pairs as soon as all of a grid of 65 points is (see `scan`
    for how few of them are looked at, and only on segments that are new).

    Args:
        loss: see `landscape.loss`.
        first, second: the ends, `(n, ...)`, pixels in [0, 1].
        threshold: the barrier allowed: largest loss on the path minus the larger end, in nats.
        budget: gradient evaluations per pair.
        variation: weight of the total variation of a push, in squared pixels.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Returns:
        Paths in [0, 1]; also those that spent their budget without success.

    Raises:
        InputError: bad arguments; a loss that is not finite.

    Cost: at most `budget` gradients per pair, and 9 forward passes for one that needs no node; some
    10 to 20 for each node.
    """
    search = Search.begin(loss, first, second, threshold, budget, batch_size)
    push, at = push_of(loss, variation), grid()
    n = len(search)
    nodes = torch.stack([search.first, search.second], 1)
    places = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(n, 1)
    known = torch.full((n, GRID), torch.nan, dtype=torch.float64)
    active = torch.arange(n)
    while len(active):
        segments = torch.searchsorted(places[active], at.repeat(len(active), 1), right=True)
        look = partial(_looked_at, nodes, places, active)
        heights = scan(search, look, active, known=known[active], segments=segments)
        known[active] = heights
        open_ = search.too_high(heights, active).any(1) & (search.gradients[active] < budget)
        active, heights, segments = active[open_], heights[open_], segments[open_]
        worst = heights == worst_of_segments(heights, segments)
        pair, column = (worst & search.too_high(heights, active)).nonzero(as_tuple=True)
        owners = active[pair]
        points = lying(nodes, places, owners, at[column])
        values = _pushed(search, push, points, owners)
        nodes, places = _inserted(nodes, places, owners, at[column], points)
        known = _without_new_segments(known, places, owners, column)
        known[owners, column] = values
    return Paths(nodes, "bypass", "polyline", search.gradients, search.forwards)


def _looked_at(
    nodes: Tensor, places: Tensor, active: Tensor, rows: Tensor, columns: Tensor
) -> Tensor:
    """Return points of the grid on the paths of active pairs."""
    return lying(nodes, places, active[rows], grid()[columns])


def _pushed(search: Search, push: Push, points: Tensor, owners: Tensor) -> Tensor:
    """Push points below their level, as far as the budget allows, and return their losses.

    The points are changed in place. Those that were not pushed have no loss, NaN.
    """
    chord, level = search.chord[owners], search.level[owners]
    longest = LONGEST * torch.linalg.vector_norm(chord.flatten(1), dim=1)
    values = torch.full((len(owners),), torch.nan, dtype=torch.float64)
    moving = torch.arange(len(owners))
    for _ in range(TRIES):
        moving = moving[search.affordable(owners[moving])]
        if not len(moving):
            break
        of = owners[moving]
        value, gradient = search.gradients_at(points[moving], of)
        points[moving] = push(
            points[moving], value, gradient, level[moving], chord[moving], longest[moving]
        )
        values[moving] = search.values_of(points[moving], of)
        moving = moving[search.high(values[moving], of)]
    return values


def _without_new_segments(known: Tensor, places: Tensor, owners: Tensor, columns: Tensor) -> Tensor:
    """Return losses on the grid without those beside new nodes, where the paths now run elsewhere.

    Args:
        known: losses, `(n, 65)`.
        places: of the nodes, the new ones included, `(n, m)`.
        owners: the pairs of the new nodes, `(r,)`.
        columns: their columns on the grid, `(r,)`.
    """
    column = torch.arange(GRID)
    taken = torch.zeros(known.shape, dtype=torch.bool)
    taken.scatter_(1, (places * (GRID - 1)).round().to(torch.int64), True)
    before, after = neighbours(taken)
    low, high = before[owners, columns - 1], after[owners, columns + 1]
    beside = (column > low.unsqueeze(1)) & (column < high.unsqueeze(1))
    gone = torch.zeros(known.shape, dtype=torch.int64).index_add_(0, owners, beside.to(torch.int64))
    return known.masked_fill(gone > 0, torch.nan)


def _inserted(
    nodes: Tensor, places: Tensor, owners: Tensor, at: Tensor, points: Tensor
) -> tuple[Tensor, Tensor]:
    """Return nodes and places with new nodes; one at a place that is taken replaces the old."""
    taken = places[owners] == at.unsqueeze(1)
    again = taken.any(1)
    nodes[owners[again], taken[again].to(torch.uint8).argmax(1)] = points[again]
    owners, at, points = owners[~again], at[~again], points[~again]
    if not len(owners):
        return nodes, places
    slot = ranks(owners, len(nodes))
    n, extra = len(nodes), int(slot.max()) + 1
    added = nodes[:, -1:].repeat(1, extra, *[1] * (nodes.ndim - 2))
    added[owners, slot] = points
    where = torch.ones(n, extra, dtype=places.dtype)
    where[owners, slot] = at
    places, order = torch.cat([places, where], 1).sort(dim=1, stable=True)
    return torch.cat([nodes, added], 1)[torch.arange(n).unsqueeze(1), order], places
