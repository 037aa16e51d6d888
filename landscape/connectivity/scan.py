"""Where the loss on paths is largest: a grid of places, of which few have to be looked at."""

from __future__ import annotations

import torch
from torch import Tensor

from landscape.connectivity.search import GRID, PointsOf, Search
from landscape.push import log_odds, push_of

COARSE = 8
"""Every so many columns of the grid are looked at in any case."""
STEEPER = 2.0
"""How many times steeper a path may be than what is known of it."""
_FLOOR = 1e-38
"""The smallest float32: a cross-entropy that underflows to 0 has no log-odds."""


def scan(
    search: Search,
    points_of: PointsOf,
    pairs: Tensor,
    *,
    known: Tensor | None = None,
    segments: Tensor | None = None,
) -> Tensor:
    """Return the losses at the places of the grid, `(a, 65)`: NaN where they need not be known.

    The rule of Piyavskii (1972) and Shubert (1972): between two places the loss is at most
    `(f + f') / 2 + L * gap / 2`, where `f` are the values there and `L` is the largest slope. The
    middle is looked at only if that could be too high. `L` is not known; Strongin (1978) takes a
    multiple of the largest slope seen on the path, here twice. `f` is the log-odds of a
    cross-entropy, which are nearly piecewise linear along a path, and the loss itself otherwise. A
    ridge that stands alone, narrower than an eighth of the path, may be missed; that is what the
    1,001 points of `barrier` are for.

    Args:
        search: the pairs.
        points_of: gives points of their paths, which it calls by their positions in `pairs`.
        pairs: whose paths are looked at, `(a,)`.
        known: losses that are known, `(a, 65)`; NaN elsewhere. Both ends always are.
        segments: which segment of its path each place is in, `(a, 65)`. Then the largest loss of
            every segment that is too high is found; without, only whether a path is too high.

    Cost: 7 forward passes per pair where the loss is low, up to 63 where it is not.
    """
    heights = _nothing_known(len(pairs)) if known is None else known.clone()
    heights[:, 0], heights[:, -1] = search.ends[pairs].T
    odds = push_of(search.rows.loss).odds
    wanted = heights.isnan() & (torch.arange(GRID) % COARSE == 0)
    if known is not None:
        wanted |= _wanted(search, heights, pairs, segments, odds)
    open_ = torch.arange(len(pairs))
    while wanted.any():
        row, column = wanted.nonzero(as_tuple=True)
        row = open_[row]
        heights[row, column] = search.values_at(points_of, row, column, pairs[row])
        open_ = open_[wanted.any(1)]
        parts = None if segments is None else segments[open_]
        wanted = _wanted(search, heights[open_], pairs[open_], parts, odds)
    return heights


def _nothing_known(count: int) -> Tensor:
    return torch.full((count, GRID), torch.nan, dtype=torch.float64)


def _wanted(
    search: Search, heights: Tensor, pairs: Tensor, segments: Tensor | None, odds: bool
) -> Tensor:
    """Return which places have to be looked at next: middles of gaps that may be too high."""
    seen, column = ~heights.isnan(), torch.arange(GRID).expand_as(heights)
    before, after = neighbours(seen)
    value = _linear(torch.where(seen, heights, 0), odds)
    level = _linear(search.top[pairs] + search.allowed, odds).unsqueeze(1)
    last = before[:, :-1]
    slope = (value[:, 1:] - value.gather(1, last)).abs() / (column[:, 1:] - last)
    steepest = STEEPER * torch.where(seen[:, 1:], slope, 0).amax(1, keepdim=True)
    middle = (value.gather(1, before) + value.gather(1, after)) / 2
    bound = middle + steepest * (after - before) / 2
    highest = torch.where(seen, value, torch.nan)
    if segments is None:
        open_ = ~(highest > level).any(1, keepdim=True)
    else:
        level = torch.maximum(level, worst_of_segments(highest, segments))
        open_ = torch.ones(len(pairs), 1, dtype=torch.bool)
    return ~seen & (column == (before + after) // 2) & (bound > level) & open_


def worst_of_segments(values: Tensor, segments: Tensor) -> Tensor:
    """Return the largest value of each entry's segment, both `(a, k)`; NaN count for nothing."""
    low = torch.full_like(values, -torch.inf)
    worst = low.scatter_reduce(1, segments, values.nan_to_num(-torch.inf, torch.inf), "amax")
    return worst.gather(1, segments)


def neighbours(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last entry that is true, up to each, and the first, from each on.

    Args:
        seen: `(a, k)` booleans; those at both ends are true.

    >>> neighbours(torch.tensor([[True, False, False, True]]))
    (tensor([[0, 0, 0, 3]]), tensor([[0, 3, 3, 3]]))
    """
    count = seen.shape[1]
    place = torch.arange(count)
    before = torch.where(seen, place, 0).cummax(1).values
    after = torch.where(seen, place, count - 1).flip(1).cummin(1).values.flip(1)
    return before, after


def _linear(losses: Tensor, odds: bool) -> Tensor:
    """Return what is nearly linear along a path."""
    return log_odds(losses.clamp_min(_FLOOR)) if odds else losses
