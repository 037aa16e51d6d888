"""Balls around images, cut to the box of valid images: nearest and farthest points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.norms import per_example

Box = tuple[float, float]
NORMS = ("linf", "l2")


@dataclass(frozen=True)
class Ball:
    """The points within a radius of each image and, if a box is given, inside it.

    Args:
        centre: images `(n, ...)`, inside the box.
        norm: `linf` or `l2`.
        radius: in input units, larger than 0.
        box: interval of valid pixel values, or None.
    """

    centre: Tensor
    norm: str
    radius: float
    box: Box | None = None

    def nearest(self, images: Tensor) -> Tensor:
        """Project images onto the ball in Euclidean distance.

        >>> Ball(torch.zeros(1, 2), "l2", 1.0).nearest(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
        """
        step = images - self.centre
        if self.norm == "linf":
            return self._inside(self.centre + step.clamp(-self.radius, self.radius))
        if self.box is None:
            return self.centre + step * per_example(
                (self.radius / _length(step)).clamp_max(1), step
            )
        return self._inside(self.centre + step * per_example(self._scale(step).clamp_max(1), step))

    def farthest(self, direction: Tensor) -> Tensor:
        """Return the points of the ball where a linear function with this gradient is largest.

        >>> Ball(torch.zeros(1, 2), "l2", 1.0, (0.0, 1.0)).farthest(torch.tensor([[-3.0, 4.0]]))
        tensor([[0., 1.]])
        """
        if self.norm == "linf" or self.box is None:
            return self._inside(self.centre + self.radius * self.steepest(direction))
        return self._inside(
            self.centre + direction * per_example(self._scale(direction), direction)
        )

    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the step of norm 1 that climbs a gradient fastest; no step where it is 0."""
        if self.norm == "linf":
            return gradient.sign()
        # The largest entry first: the square of a gradient of 1e-30 is 0 in float32.
        largest = gradient.flatten(1).abs().amax(1)
        scaled = gradient / per_example(
            largest.clamp_min(torch.finfo(gradient.dtype).tiny), gradient
        )
        return scaled / per_example(_length(scaled), scaled)

    def _inside(self, images: Tensor) -> Tensor:
        return images if self.box is None else images.clamp(*self.box)

    def _scale(self, step: Tensor) -> Tensor:
        """Return the largest useful `s`, `(n,)`, with `|clip(s * step)|_2 <= radius` in the box.

        Clipping happens at breakpoints `s = room / |step|`; between two of them the squared length
        is `A + s^2 B`, with `A` of the clipped and `B` of the free coordinates.
        """
        assert self.box is not None
        low, high = self.box
        room = torch.where(step > 0, high - self.centre, self.centre - low).flatten(1)
        free = step.flatten(1).abs()
        room = torch.where(free > 0, room, 0)
        breaks, order = torch.where(free > 0, room / free, 0).sort(1)
        room, free = room.gather(1, order).square(), free.gather(1, order).square()
        clipped = room.cumsum(1) - room
        left = free.flip(1).cumsum(1).flip(1)
        reached = clipped + breaks.square() * left >= self.radius**2
        first = reached.to(torch.uint8).argmax(1, keepdim=True)
        rest = (self.radius**2 - clipped.gather(1, first)).clamp_min(0) / left.gather(1, first)
        return torch.where(reached.any(1), rest.squeeze(1).sqrt(), breaks[:, -1])


def _length(step: Tensor) -> Tensor:
    """Return l2 lengths, `(n,)`, never 0: a divisor."""
    length = torch.linalg.vector_norm(step.flatten(1), dim=1)
    return length.clamp_min(torch.finfo(step.dtype).tiny)
