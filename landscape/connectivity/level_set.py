"""Level-set traversal: a walk to the other end that never leaves the region of low loss."""

from __future__ import annotations

import torch
from torch import Tensor

from attacks.norms import per_example
from core.errors import InputError
from landscape.connectivity.paths import Paths
from landscape.connectivity.scan import scan
from landscape.connectivity.search import Search, grid
from landscape.loss import InputFunction
from landscape.push import log_odds, push_of


def level_set(
    loss: InputFunction, first: Tensor, second: Tensor, *, steps: int = 64,
    threshold: float = 0.1, budget: int = 128, batch_size: int = 256,
) -> Paths:  # fmt: skip
    """Walk from the first image to the second within the set of low loss.

    After Level Set Traversal (Balasubramanian et al. 2023, NeurIPS): each step goes towards the
    other end without the part along the gradient that would leave the set. Theirs removes all of
    that part; here a step `D`, an equal share of the way that is left, loses only
    `max(0, l + g . D - level) / |g|^2 g`, so it is the point nearest to the wanted one where the
    linearised loss is at most the level, and a walk that has left the set returns. A last straight
    segment leads to the second image. Pairs whose straight line is low enough are not walked.
    Fawzi et al. (2018), who asked first whether regions of a class are connected, split the path in
    halves instead, as `bypass` does.

    Args:
        loss: see `landscape.loss`.
        first, second: the ends, `(n, ...)`, pixels in [0, 1].
        steps: steps of the walk, at least 2.
        threshold: how far the path may rise above its larger end, in nats.
        budget: gradient evaluations per pair; at most this many steps are made.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Raises:
        InputError: bad arguments; a loss that is not finite.

    Cost: at most `min(steps - 1, budget)` gradients and 9 to 65 forward passes per pair.
    """
    if steps < 2:
        raise InputError(f"steps: expected at least 2, found {steps}.")
    search = Search.begin(loss, first, second, threshold, budget, batch_size)
    everyone, at, chord = torch.arange(len(search)), grid().to(first), search.chord

    def straight(rows: Tensor, columns: Tensor) -> Tensor:
        return (search.first[rows] + per_example(at[columns], chord) * chord[rows]).clamp(0, 1)

    heights = scan(search, straight, everyone)
    walking = everyone[search.too_high(heights, everyone).any(1)]
    made = min(steps - 1, budget) if len(walking) else 0
    nodes = search.second.unsqueeze(1).repeat(1, made + 2, *[1] * (first.ndim - 1))
    nodes[:, 0] = search.first
    odds = push_of(loss).odds
    here = search.first[walking]
    for step in range(made):
        value, gradient = search.gradients_at(here, walking)
        wanted = (search.second[walking] - here) / (steps - step)
        here = _held(here, wanted, value, gradient, search.level[walking], odds)
        nodes[walking, step + 1] = here
    return Paths(nodes, "level_set", "polyline", search.gradients, search.forwards)


def _held(
    points: Tensor, wanted: Tensor, value: Tensor, gradient: Tensor, level: Tensor, odds: bool
) -> Tensor:
    """Return points after the wanted step, less what would lift the loss above its level."""
    slope = gradient.flatten(1).double()
    value, level = value.to(slope.device), level.to(slope.device)
    room = level - value
    if odds:
        # Of log-odds; the smallest loss of float64 stands for 0, whose log-odds are infinite.
        value = value.clamp_min(torch.finfo(torch.float64).tiny)
        room = (log_odds(level) - log_odds(value)) * -torch.expm1(-value)
    excess = ((slope * wanted.flatten(1).double()).sum(1) - room).clamp_min(0)
    squared = slope.square().sum(1).clamp_min(torch.finfo(torch.float64).tiny)
    step = wanted.double() - per_example(excess / squared, wanted) * gradient.double()
    return (points.double() + step).clamp(0, 1).to(points)
