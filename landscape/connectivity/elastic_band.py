"""Elastic band: a chain of nodes under the loss and springs, with nodes inserted (AutoNEB)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from attacks.norms import per_example
from core.errors import InputError
from landscape.connectivity.paths import Paths, along, arc_length, lying
from landscape.connectivity.scan import scan
from landscape.connectivity.search import Search, grid
from landscape.loss import InputFunction
from landscape.push import LONGEST, push_of

RELAXATIONS = 3
"""Steps of the band between two insertions."""


def elastic_band(
    loss: InputFunction, first: Tensor, second: Tensor, *, spring: float = 0.5,
    threshold: float = 0.1, budget: int = 128, batch_size: int = 256,
) -> Paths:  # fmt: skip
    """Find paths with a nudged elastic band that grows where the loss is high.

    AutoNEB (Draxler et al. 2018, after Henkelman and Jonsson 2000). Every inner node moves by two
    forces, nudged apart so that neither undoes the other: the loss, orthogonally to the path's
    tangent, and springs along it, `spring / 2 * (|next| - |previous|)`, which keep the nodes evenly
    spaced. The tangent points to the neighbour of higher loss; at an extremum it is the mean of
    both, weighted by the differences of the loss. Where the loss is above the level the force of
    the loss is the shortest step that reaches it, to first order (`push.Push`), elsewhere 0. After
    three steps each pair gets a node where the loss exceeds what its neighbours' losses interpolate
    to by most; the band starts as one node at the chord's largest loss.

    Args:
        loss: see `landscape.loss`.
        first, second: the ends, `(n, ...)`, pixels in [0, 1].
        spring: share of the imbalance of a node's two gaps that a step removes, in [0, 1].
        threshold: a pair stops as soon as its path rises less than this above its larger end.
        budget: gradient evaluations per pair.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Raises:
        InputError: bad arguments; a loss that is not finite.

    Cost: at most `budget` gradients per pair, one per inner node and step, and 7 to 63 forward
    passes per insertion.
    """
    if not 0 <= spring <= 1:
        raise InputError(f"spring: expected a share between 0 and 1, found {spring}.")
    search = Search.begin(loss, first, second, threshold, budget, batch_size)
    losses = search.ends
    nodes = torch.stack([search.first, search.second], 1)
    active, at = torch.arange(len(search)), grid()
    done: list[tuple[Tensor, Tensor]] = []
    while len(active):
        places = arc_length(nodes).cpu()
        segments = torch.searchsorted(places, at.repeat(len(active), 1), right=True)
        heights = scan(search, partial(_looked_at, nodes, places), active, segments=segments)
        inner = nodes.shape[1] - 1
        paid = search.gradients[active] + inner <= budget
        open_ = search.too_high(heights, active).any(1) & paid
        done.append((active[~open_], nodes[~open_]))
        active, nodes, losses = active[open_], nodes[open_], losses[open_]
        if not len(active):
            break
        nodes, losses = _grown(nodes, losses, places[open_], at, heights[open_])
        for _ in range(RELAXATIONS):
            paid = search.gradients[active] + inner <= budget
            if not paid.any():
                break
            nodes[paid], losses[paid] = _relaxed(
                search, loss, nodes[paid], losses[paid], active[paid], spring
            )
    return Paths(_together(search, done), "elastic_band", "polyline",
                 search.gradients, search.forwards)  # fmt: skip


def tangents(nodes: Tensor, losses: Tensor) -> Tensor:
    """Return the tangents at the inner nodes, `(a, m - 2, d)`, of length 1 or 0.

    Args:
        nodes: `(a, m, d)`.
        losses: at the nodes, `(a, m)`.
    """
    before, after = _unit(nodes[:, 1:-1] - nodes[:, :-2]), _unit(nodes[:, 2:] - nodes[:, 1:-1])
    low, own, high = (losses[:, i : losses.shape[1] - 2 + i] for i in range(3))
    climb = torch.stack([(own - low).abs(), (high - own).abs()], 2)
    uphill = high > low
    extremum = (own - low) * (own - high) >= 0
    # Uphill the neighbour with the higher loss counts by the larger difference, as in the paper.
    larger, smaller = climb.amax(2), climb.amin(2)
    forwards = torch.where(uphill, larger, smaller)
    backwards = torch.where(uphill, smaller, larger)
    flat = (larger == 0) & extremum
    forwards = torch.where(extremum, torch.where(flat, 0.5, forwards), uphill.to(forwards))
    backwards = torch.where(extremum, torch.where(flat, 0.5, backwards), (~uphill).to(forwards))
    weights = torch.stack([backwards, forwards], 2).to(nodes)
    return _unit(weights[..., :1] * before + weights[..., 1:] * after)


def _looked_at(nodes: Tensor, places: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return points of the grid on some of the chains."""
    return lying(nodes, places, rows, grid()[columns])


def _relaxed(
    search: Search, loss: InputFunction, nodes: Tensor, losses: Tensor, pairs: Tensor, spring: float
) -> tuple[Tensor, Tensor]:
    """Return nodes after one step of the band, and the losses from before the step."""
    push = push_of(loss)
    inner = nodes.shape[1] - 2
    owners = pairs.repeat_interleave(inner)
    rows = nodes[:, 1:-1].flatten(0, 1)
    value, gradient = search.gradients_at(rows, owners)
    losses = losses.clone()
    losses[:, 1:-1] = value.reshape(-1, inner)
    flat = nodes.flatten(2)
    tangent = tangents(flat, losses).flatten(0, 1).reshape(rows.shape)
    level = search.level[owners]
    chord = torch.linalg.vector_norm(search.chord[owners].flatten(1), dim=1)
    pushed = push(rows, value, gradient, level, tangent, LONGEST * chord)
    high = search.high(value, owners).to(rows.device)
    moved = torch.where(per_example(high, rows), pushed, rows)
    gaps = torch.linalg.vector_norm(flat.diff(dim=1), dim=2)
    pull = spring / 2 * (gaps[:, 1:] - gaps[:, :-1]).flatten()
    moved = (moved + per_example(pull, rows) * tangent).clamp(0, 1)
    nodes = nodes.clone()
    nodes[:, 1:-1] = moved.reshape(-1, inner, *rows.shape[1:])
    return nodes, losses


def _grown(
    nodes: Tensor, losses: Tensor, places: Tensor, at: Tensor, heights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return chains with one more node each, where the loss exceeds its interpolation by most.

    Args:
        nodes: `(a, m, ...)`.
        losses: at the nodes, `(a, m)`.
        places: of the nodes, `(a, m)`.
        at: the grid, `(k,)`.
        heights: the losses there, `(a, k)`; NaN where nobody looked.
    """
    places_at = at.expand(len(nodes), -1).contiguous()
    segment = torch.searchsorted(places, places_at, right=True).clamp(1, nodes.shape[1] - 1)
    expected = along(losses.unsqueeze(2), places, places_at).squeeze(2)
    free = (places.unsqueeze(1) - places_at.unsqueeze(2)).abs().amin(2) > 1e-9
    best = torch.where(free & ~heights.isnan(), heights - expected, -torch.inf).argmax(1)
    rows = torch.arange(len(nodes))
    point = along(nodes, places, at[best].unsqueeze(1)).squeeze(1)
    after = segment[rows, best].unsqueeze(1)
    order = torch.arange(nodes.shape[1] + 1).expand(len(nodes), -1)
    source = torch.where(order < after, order, order - 1)
    pair = rows.unsqueeze(1)
    nodes, losses = nodes[pair, source], losses[pair, source]
    nodes[rows, after.squeeze(1)] = point
    losses[rows, after.squeeze(1)] = heights[rows, best]
    return nodes, losses


def _together(search: Search, done: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the chains of all pairs in order, shorter ones repeating their last node."""
    longest = max([nodes.shape[1] for pairs, nodes in done if len(pairs)], default=2)
    together = search.second.unsqueeze(1).repeat(1, longest, *[1] * (search.second.ndim - 1))
    for pairs, nodes in done:
        together[pairs, : nodes.shape[1]] = nodes[:, :longest]
    return together


def _unit(rows: Tensor) -> Tensor:
    """Return vectors of length 1, or 0."""
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / length.clamp_min(torch.finfo(rows.dtype).tiny)
