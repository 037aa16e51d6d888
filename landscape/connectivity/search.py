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
        rows, everyone = Rows(loss, n, batch_size), torch.arange(n)
        ends = torch.stack([rows.values(x, everyone) for x in (first, second)], 1)
        none = torch.zeros(n, dtype=torch.int64)
        return Search(first, second, rows, ends, threshold, budget, none, torch.full((n,), 2))

    def __len__(self) -> int:
        return len(self.first)

    @property
    def top(self) -> Tensor:
        """The larger of the losses at the two ends, `(n,)`."""
        return self.ends.amax(1)

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

    def rises(self, points_of: Callable[[Tensor], Tensor], pairs: Tensor) -> Tensor:
        """Return how far the inner points of the grid lie above the ends of their pairs, `(a, k)`.

        Args:
            points_of: gives the points `(b, k, ...)` of the pairs at some positions in `pairs`,
                `(b,)`: few at a time, so that memory is bounded by the batch size.
            pairs: `(a,)`.
        """
        count = GRID - 2
        found = [torch.zeros(0, count, dtype=torch.float64)]
        for some in torch.arange(len(pairs)).split(self.rows.at_once(len(pairs), count)):
            points = points_of(some).flatten(0, 1)
            owners = pairs[some].repeat_interleave(count)
            if len(owners):
                found.append(self.rows.values(points, owners).reshape(-1, count))
        self.forwards[pairs] += count
        return torch.cat(found) - self.top[pairs].unsqueeze(1)

    def gradients_at(self, points: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses of rows and their gradients, and count them."""
        self.gradients += torch.bincount(pairs, minlength=len(self))
        return self.rows.gradients(points, pairs)

    def affordable(self, pairs: Tensor) -> Tensor:
        """Return which rows, `(r,)`, the budgets of their pairs still pay for, in their order."""
        return self.gradients[pairs] + ranks(pairs, len(self)) < self.budget

    def too_high(self, rises: Tensor) -> Tensor:
        """Return which rises are more than the grid may show."""
        return rises > SAFETY * self.threshold


def grid() -> Tensor:
    """Return the places on a path that a search looks at, `(k,)`, without the ends."""
    return torch.linspace(0, 1, GRID, dtype=torch.float64)[1:-1]
