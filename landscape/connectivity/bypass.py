"""Bypass: where the loss on the path is largest, a node is inserted and pushed off the chord."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from landscape.connectivity.paths import Paths, along
from landscape.connectivity.search import Search, grid
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
    stop as soon as they are low enough, pairs as soon as all of a grid of 65 points is.

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

    Cost: at most `budget` gradients per pair, and 63 forward passes a round (one to five rounds).
    """
    search = Search.begin(loss, first, second, threshold, budget, batch_size)
    push = push_of(loss, variation)
    n = len(search)
    nodes = torch.stack([search.first, search.second], 1)
    places = torch.tensor([0.0, 1.0], dtype=torch.float64).repeat(n, 1)
    active, at = torch.arange(n), grid()
    while len(active):
        rises = search.rises(partial(_seen, nodes, places, at, active), active)
        open_ = search.too_high(rises).any(1) & (search.gradients[active] < budget)
        active, rises = active[open_], rises[open_]
        pair, place = _worst_of_segments(search, places[active], at, rises).nonzero(as_tuple=True)
        owners = active[pair]
        points = along(nodes[owners], places[owners], at[place].unsqueeze(1)).squeeze(1)
        pushed = _pushed(search, push, points, owners)
        nodes, places = _inserted(nodes, places, owners, at[place], pushed)
    return Paths(nodes, "bypass", "polyline", search.gradients, search.forwards)


def _seen(nodes: Tensor, places: Tensor, at: Tensor, active: Tensor, some: Tensor) -> Tensor:
    """Return the grid points of some of the active pairs."""
    pairs = active[some]
    return along(nodes[pairs], places[pairs], at.expand(len(pairs), -1))


def _worst_of_segments(search: Search, places: Tensor, at: Tensor, rises: Tensor) -> Tensor:
    """Return which grid points, `(a, k)`, are the worst of their segment and too high."""
    segment = torch.searchsorted(places, at.repeat(len(places), 1), right=True)
    worst = torch.full((len(places), places.shape[1] + 1), -torch.inf, dtype=rises.dtype)
    worst = worst.scatter_reduce(1, segment, rises, "amax").gather(1, segment)
    return search.too_high(rises) & (rises == worst)


def _pushed(search: Search, push: Push, points: Tensor, owners: Tensor) -> Tensor:
    """Return points after being pushed below their level, as far as the budget allows."""
    chord, level = search.chord[owners], search.level[owners]
    longest = LONGEST * torch.linalg.vector_norm(chord.flatten(1), dim=1)
    moving = torch.arange(len(owners))
    for _ in range(TRIES):
        moving = moving[search.affordable(owners[moving])]
        value, gradient = search.gradients_at(points[moving], owners[moving])
        high = search.high(value, owners[moving])
        moving = moving[high]
        if not len(moving):
            break
        points[moving] = push(
            points[moving], value[high], gradient[high], level[moving], chord[moving],
            longest[moving],
        )  # fmt: skip
    return points


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
