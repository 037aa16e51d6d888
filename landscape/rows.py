"""The loss at points of some of the pairs: rows that each belong to a pair, in any number.

Paths are worked on by an active set, so that pairs have different numbers of points to evaluate. A
loss with `select` is given just those rows. A plain function must see whole copies of the batch
(see `landscape.loss`): all rows at once are dealt out to as few copies as hold them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from landscape.loss import InputFunction, finite, precise


@dataclass(frozen=True)
class Rows:
    """A loss over `n` pairs, evaluated at rows of points.

    Args:
        loss: see `landscape.loss`.
        n: number of pairs.
        batch_size: rows per pass; it changes the numbers by float rounding only.
    """

    loss: InputFunction
    n: int
    batch_size: int

    def values(self, points: Tensor, pairs: Tensor) -> Tensor:
        """Return the loss of points `(r, ...)` that belong to pairs `(r,)`: float64, on the CPU."""
        found = [torch.zeros(0, dtype=torch.float64)]
        with torch.no_grad():
            for part, owners in self._parts(points, pairs):
                found.append(precise(self._function(part, owners)))
        return finite(torch.cat(found))

    def gradients(self, points: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each row as `values` does, and its gradient, as `points`."""
        values = [torch.zeros(0, dtype=torch.float64)]
        gradients = [points[:0]]
        for part, owners in self._parts(points, pairs):
            with torch.enable_grad():
                leaf = part.detach().requires_grad_()
                loss = self._function(leaf, owners)
                (gradient,) = torch.autograd.grad(loss.sum(), leaf)
            values.append(precise(loss))
            gradients.append(gradient)
        return finite(torch.cat(values)), torch.cat(gradients)

    def at_once(self, count: int, each: int) -> int:
        """Return how many of `count` things of `each` rows fit a batch; all if undividable."""
        divided = hasattr(self.loss, "select")
        return max(1, self.batch_size // each if divided else count)

    def _parts(self, points: Tensor, pairs: Tensor) -> list[tuple[Tensor, Tensor]]:
        size = self.at_once(len(pairs), 1)
        return list(zip(points.split(size), pairs.split(size), strict=True)) if len(pairs) else []

    def _function(self, points: Tensor, pairs: Tensor) -> Tensor:
        select = getattr(self.loss, "select", None)
        if select is not None:
            rows: Tensor = select(pairs)(points)
            return rows
        copies = ranks(pairs, self.n)
        slots = copies * self.n + pairs
        source = torch.zeros(int(copies.max() + 1) * self.n, dtype=torch.int64)
        source[slots] = torch.arange(len(pairs))
        return self.loss(points[source.to(points.device)])[slots.to(points.device)]


def ranks(pairs: Tensor, n: int) -> Tensor:
    """Return how many earlier rows belong to the same pair, `(r,)`.

    >>> ranks(torch.tensor([2, 0, 2, 2, 0]), 3)
    tensor([0, 0, 1, 2, 1])
    """
    order = pairs.argsort(stable=True)
    counts = torch.bincount(pairs, minlength=n)
    starts = counts.cumsum(0) - counts
    found = torch.empty_like(pairs)
    found[order] = torch.arange(len(pairs)) - starts[pairs[order]]
    return found
