"""The largest value of a function in balls around images, by projected gradient ascent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from attacks.norms import per_example
from core.errors import InputError, unknown_name
from core.randomness import normal
from landscape.balls import NORMS, Ball, Box
from landscape.loss import InputFunction, radii_of, value_and_gradient

MOMENTUM = 0.5


@dataclass(frozen=True)
class Point:
    """Images with the value of a function, `(n,)` in float64 on the CPU, and its gradient."""

    images: Tensor
    value: Tensor
    gradient: Tensor

    @staticmethod
    def at(function: InputFunction, images: Tensor) -> Point:
        """Evaluate the function and its gradient."""
        return Point(images, *value_and_gradient(function, images))

    def or_better(self, other: Point) -> Point:
        """Take the other point for each example where its value is larger."""
        better = other.value > self.value
        swap = per_example(better.to(self.images.device), self.images)
        return Point(
            torch.where(swap, other.images, self.images),
            torch.where(better, other.value, self.value),
            torch.where(swap, other.gradient, self.gradient),
        )


@dataclass(frozen=True)
class Ascent:
    """How the largest value is looked for.

    Radii are climbed from the smallest to the largest. Each starts at the better of two points: the
    far end of the ball along a given aim, and the best point of the radius
    before, stretched to this one. From there steepest ascent with momentum 1/2, projected onto the
    ball; step `i` of `k` has the length `r (1 + cos(pi i / k))`, so that the first ones cross the
    ball and the last ones settle. The best point ever met counts.

    Attributes:
        norm: of the balls, `linf` or `l2`.
        steps: gradients per radius and start; at least 2.
        restarts: starts per radius; those after the first are at random far ends of the ball.
        box: keep the points inside this interval, in which the images must lie.

    Raises:
        InputError: a setting that cannot be used.
    """

    norm: str
    steps: int
    restarts: int
    box: Box | None

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise unknown_name("--norm", self.norm, NORMS)
        if self.steps < 2 or self.restarts < 1:
            raise InputError(
                f"expected steps >= 2 and restarts >= 1, found {self.steps} and {self.restarts}."
            )

    def lengths(self, radii: Sequence[float], images: Tensor) -> list[float]:
        """Return radii as they are climbed; images and radii are checked.

        A radius whose square underflows in the images' precision moves no pixel of theirs: it is 0.
        """
        box = self.box
        if box is not None and len(images) and not box[0] <= images.min() <= images.max() <= box[1]:
            raise InputError(f"box: the images do not lie inside {box}.")
        least = torch.finfo(images.dtype).tiny ** 0.5
        return [0.0 if length < least else length for length in radii_of(radii)]

    def passes(self, lengths: Sequence[float]) -> int:
        """Return how many forward and backward passes the climb costs per example."""
        return self.steps * self.restarts * sum(length > 0 for length in lengths)

    def largest(
        self,
        function: InputFunction,
        centre: Point,
        lengths: Sequence[float],
        streams: Sequence[np.random.Generator],
        aim: Tensor,
    ) -> Tensor:
        """Return the largest value found within each radius, `(n, r)`, at least the centre's.

        Args:
            function: of the images of a block; see `landscape.loss`.
            centre: the images with the function's value and gradient there.
            lengths: radii, in any order.
            streams: of random starts, one per example.
            aim: direction of the first start, as the images.
        """
        best, before = centre, 0.0
        x = centre.images
        found = torch.zeros(len(x), len(lengths), dtype=torch.float64)
        for place in sorted(range(len(lengths)), key=lengths.__getitem__):
            radius = lengths[place]
            ball = Ball(x, self.norm, radius, self.box)
            stretched = ball.nearest(x + (best.images - x) * (radius / before)) if before else None
            for start in range(self.restarts if radius else 0):
                way = normal(streams, x.shape[1:], x) if start else aim
                point = Point.at(function, ball.farthest(way))
                left = self.steps - 1
                if not start and stretched is not None:
                    point = point.or_better(Point.at(function, stretched))
                    left -= 1
                best = best.or_better(self._climbed(function, ball, point, left))
            before = radius
            found[:, place] = best.value
        return found

    def _climbed(self, function: InputFunction, ball: Ball, start: Point, steps: int) -> Point:
        """Return the best point of a projected ascent, its start included."""
        best = point = start
        momentum = torch.zeros_like(start.images)
        for step in range(steps):
            momentum = MOMENTUM * momentum + ball.steepest(point.gradient)
            length = ball.radius * (1 + math.cos(math.pi * step / steps))
            move = length * ball.steepest(momentum)
            point = Point.at(function, ball.nearest(point.images + move))
            best = best.or_better(point)
        return best
