"""The geometry of the way that an optimisation takes: its length, its turns, how far it gets.

A way is a sequence of points, `(n, t, ...)`, column after column; NaN where an example has none any
more. Columns belong to runs, `(t,)`: between two runs there is a jump, which is no step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.errors import InputError

_TINY = torch.finfo(torch.float64).tiny


def step_lengths(points: Tensor, run: Tensor) -> Tensor:
    """Return the l2 length of the step that leads to each column, `(n, t)` in float64.

    0 where a run begins, NaN where an example has no point.

    Args:
        points: `(n, t, ...)`.
        run: `(t,)`.

    Raises:
        InputError: not one run per column.

    >>> step_lengths(torch.tensor([[[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]]]), torch.zeros(3))
    tensor([[0., 5., 1.]], dtype=torch.float64)
    """
    steps, inside = _steps(points, run)
    lengths = torch.linalg.vector_norm(steps, dim=2)
    first = torch.where(points[:, :1].flatten(1).isnan().any(1, keepdim=True), torch.nan, 0.0)
    # A jump to an existing point is no step; to a missing one it stays NaN.
    lengths = torch.where(inside | lengths.isnan(), lengths, 0.0)
    return torch.cat([first.to(lengths), lengths], 1)


def turning(points: Tensor, run: Tensor) -> Tensor:
    """Return the cosine between the step to each column and the step from it, `(n, t)`.

    1: straight on; 0: a right angle; -1: straight back. NaN at the ends of a run and where one of
    the two steps has no length. In high dimensions independent random steps have a cosine of 0.

    Args:
        points: `(n, t, ...)`.
        run: `(t,)`.

    Returns:
        Float64.

    >>> turning(torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]]]), torch.zeros(3))
    tensor([[nan, 0., nan]], dtype=torch.float64)
    """
    steps, inside = _steps(points, run)
    lengths = torch.linalg.vector_norm(steps, dim=2)
    turns = torch.full(points.shape[:2], torch.nan, dtype=torch.float64)
    if steps.shape[1] > 1:
        product = (steps[:, :-1] * steps[:, 1:]).sum(2)
        scale = lengths[:, :-1] * lengths[:, 1:]
        cosine = (product / scale.clamp_min(_TINY)).clamp(-1, 1)
        turns[:, 1:-1] = torch.where((scale > 0) & (inside[:-1] & inside[1:]), cosine, torch.nan)
    return turns


def progress(points: Tensor, run: Tensor) -> tuple[Tensor, Tensor]:
    """Return how long the way of its run is at each column, and how far it has led, both `(n, t)`.

    l2, in the points' units; float64; NaN where an example has no point. At the end of a run the
    first over the second is the tortuosity of the way (its arc-chord ratio): 1 for a straight one.

    Args:
        points: `(n, t, ...)`.
        run: `(t,)`.

    >>> there_and_half_back = torch.tensor([[[0.0], [2.0], [1.0]]])
    >>> way, net = progress(there_and_half_back, torch.zeros(3))
    >>> way[0, -1] / net[0, -1]
    tensor(3., dtype=torch.float64)
    """
    lengths = step_lengths(points, run)
    way, net = torch.zeros_like(lengths), torch.zeros_like(lengths)
    for number in run.unique():
        own = run == number
        there = points[:, own].double()
        way[:, own] = lengths[:, own].cumsum(1)
        net[:, own] = torch.linalg.vector_norm((there - there[:, :1]).flatten(2), dim=2)
    return way, net


def tortuosity(points: Tensor, run: Tensor) -> Tensor:
    """Return the length of the way over the net distance, over all runs together, `(n,)`.

    At least 1; NaN for an example without points, infinite for one that ends where it began.

    Args:
        points: `(n, t, ...)`.
        run: `(t,)`.

    >>> square = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]])
    >>> tortuosity(square, torch.zeros(3)).round(decimals=3)
    tensor([1.4140], dtype=torch.float64)
    """
    way, net = progress(points, run)
    whole, straight = torch.zeros_like(way[:, 0]), torch.zeros_like(way[:, 0])
    for number in run.unique():
        of_way, of_net = _last(way[:, run == number]), _last(net[:, run == number])
        whole, straight = whole + of_way.nan_to_num(0), straight + of_net.nan_to_num(0)
    nowhere = way.isnan().all(1)
    still = (whole == 0) & ~nowhere
    return torch.where(still, 1.0, torch.where(nowhere, torch.nan, whole / straight))


def _last(values: Tensor) -> Tensor:
    """Return the last value of each row that is not NaN; NaN where there is none."""
    known = ~values.isnan()
    place = (torch.arange(values.shape[1]) * known).amax(1, keepdim=True)
    return values.gather(1, place).squeeze(1)


def _steps(points: Tensor, run: Tensor) -> tuple[Tensor, Tensor]:
    """Return the differences of consecutive columns, `(n, t - 1, d)`, and which lie in one run."""
    if points.ndim < 3 or run.shape != (points.shape[1],):
        raise InputError(
            f"points: expected (n, t, ...) with one run for each of t columns, found "
            f"{tuple(points.shape)} and {tuple(run.shape)}."
        )
    return points.double().flatten(2).diff(dim=1), run[1:] == run[:-1]
