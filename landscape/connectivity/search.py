"""What every search for a path shares: the level to stay below, the budget, who is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InputError
from landscape.connectivity.paths import pair_of_ends
from landscape.loss import InputFunction
from landscape.rows import Rows, ranks

PointsOf = Callable[[Tensor, Tensor], Tensor]
"""From numbers of paths and columns of the grid, `(r,)` each, to points `(r, ...)`."""

GRID = 65
"""Points of a path that a search looks at, both ends included."""
SAFETY = 0.8
"""Share of the threshold that the grid may use: the rest is for what lies between its points."""
AIM = 0.4
"""Share of the threshold that a point is pushed down to: room for the segments beside it."""
LOW = 0.6
"""Share at which a point is left alone: Newton steps come close to their aim from above."""


@dataclass
class Search:
    """The loss over the pairs, counting what each pair spends; made by `begin`.

    Attributes:
        first: the first images, `(n, ...)`.
        second: the second images.
        rows: the loss, evaluated at points of some pairs.
        ends: the losses at the two ends, `(n, 2)`.
        threshold: how far above its larger end a path may rise, in units of the loss.
        budget: gradient evaluations per pair.
        gradients: spent so far, `(n,)`.
        forwards: forward passes besides, `(n,)`.
    """

    first: Tensor
    second: Tensor
    rows: Rows
    ends: Tensor
    threshold: float
    budget: int
    gradients: Tensor
    forwards: Tensor

    @staticmethod
    def begin(
        loss: InputFunction, first: Tensor, second: Tensor, threshold: float, budget: int,
        batch_size: int,
    ) -> Search:  # fmt: skip
        """Evaluate the ends: two forward passes per pair.

        Raises:
            InputError: bad pairs, threshold, budget or batch size.
        """
        first, second = pair_of_ends(first, second)
        if not 0 < threshold < math.inf:
            raise InputError(f"threshold: expected a finite number > 0, found {threshold}.")
        if budget < 0 or batch_size < 1:
            found = f"{budget} and {batch_size}"
            raise InputError(f"expected budget >= 0 and --batch_size >= 1, found {found}.")
        n = len(first)
        rows = Rows(loss, n, batch_size)
        ends = rows.values(torch.cat([first, second]), torch.arange(n).repeat(2)).reshape(2, n).T
        none = torch.zeros(n, dtype=torch.int64)
        return Search(first, second, rows, ends, threshold, budget, none, torch.full((n,), 2))

    def __len__(self) -> int:
        return len(self.first)

    @property
    def top(self) -> Tensor:
        """The larger of the losses at the two ends, `(n,)`."""
        return self.ends.amax(1)

    @property
    def allowed(self) -> float:
        """How far above the ends a point of the grid may lie."""
        return SAFETY * self.threshold

    @property
    def chord(self) -> Tensor:
        """The way from the first to the second images."""
        return self.second - self.first

    @property
    def level(self) -> Tensor:
        """The loss that points are pushed down to, `(n,)`."""
        return self.top + AIM * self.threshold

    def high(self, values: Tensor, pairs: Tensor) -> Tensor:
        """Return which losses of rows are worth a push."""
        return values > self.top[pairs] + LOW * self.threshold

    def values_at(
        self, points_of: PointsOf, rows: Tensor, columns: Tensor, pairs: Tensor
    ) -> Tensor:
        """Return the losses at places of the grid, `(r,)`, and count them.

        Args:
            points_of: gives the points; asked for few at a time, so that memory is bounded by the
                batch size.
            rows: what `points_of` calls the paths, `(r,)`.
            columns: of the grid, `(r,)`.
            pairs: whose paths they are, `(r,)`.
        """
        found = [torch.zeros(0, dtype=torch.float64)]
        for part in torch.arange(len(rows)).split(self.rows.at_once(len(rows), 1)):
            if len(part):
                found.append(self.rows.values(points_of(rows[part], columns[part]), pairs[part]))
        self.forwards += torch.bincount(pairs, minlength=len(self))
        return torch.cat(found)

    def values_of(self, points: Tensor, pairs: Tensor) -> Tensor:
        """Return the losses of rows, and count them."""
        self.forwards += torch.bincount(pairs, minlength=len(self))
        return self.rows.values(points, pairs)

    def gradients_at(self, points: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses of rows and their gradients, and count them."""
        self.gradients += torch.bincount(pairs, minlength=len(self))
        return self.rows.gradients(points, pairs)

    def affordable(self, pairs: Tensor) -> Tensor:
        """Return which rows, `(r,)`, the budgets of their pairs still pay for, in their order."""
        return self.gradients[pairs] + ranks(pairs, len(self)) < self.budget

    def too_high(self, heights: Tensor, pairs: Tensor) -> Tensor:
        """Return which losses `(a, k)` on the paths of pairs `(a,)` are too high; NaN are not."""
        return heights > (self.top[pairs] + self.allowed).unsqueeze(1)


def grid() -> Tensor:
    """Return the places on a path that a search looks at, `(65,)`, both ends included."""
    return torch.linspace(0, 1, GRID, dtype=torch.float64)
