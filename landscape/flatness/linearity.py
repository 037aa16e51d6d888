"""How far the loss departs from its linearisation within a ball: the local linearity gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.randomness import generators, normal
from landscape.balls import Box
from landscape.flatness.ascent import Ascent, Point
from landscape.loss import InputFunction, blocks, example_ids


@dataclass(frozen=True)
class LinearityGap:
    """Largest departure of the loss from its linearisation around each example, by radius.

    Attributes:
        norm: norm of the ball, `linf` or `l2`.
        radii: radii in input units.
        gap: `max |l(x + d) - l(x) - d . grad l(x)|` over the points tried, `(n, r)`, in nats: at
            most the true maximum, never negative, never falling with the radius.
        evaluations: forward and backward passes spent per example.
    """

    norm: str
    radii: tuple[float, ...]
    gap: Tensor
    evaluations: int


def linearity_gap(
    loss: InputFunction,
    images: Tensor,
    radii: Sequence[float],
    *,
    norm: str = "linf",
    steps: int = 20,
    restarts: int = 1,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
    box: Box | None = None,
) -> LinearityGap:
    """Find how far the loss departs, at most, from its linearisation at the example, in balls.

    The local linearity measure `max_{|d| <= r} |l(x + d) - l(x) - d . grad l(x)|` of Qin et al.
    2019, "Adversarial robustness through local linearization". It is 0 for a loss that is linear in
    the ball; for the quadratic `d' H d / 2` in an l2 ball it is `r^2 / 2` times the eigenvalue of
    `H` largest in magnitude. Its maximum is looked for by the ascent of
    `landscape.flatness.ascent`. The gap itself has no slope at the example; the first start lies
    along the gradient of the loss, where classifiers bend most (on 100 digits 10 steps from there
    found a larger gap than 20 from a random start, in the geometric mean at every radius), or at
    random where that is 0.

    Args:
        loss: see `landscape.loss`; differentiable almost everywhere.
        images: `(n, ...)`, any trailing shape.
        radii: radii in input units, in the norm of the ball.
        norm: `linf` or `l2`.
        steps: gradients per radius and start; at least 2.
        restarts: starts per radius; those after the first are at random far ends of the ball.
        seed: with an example's id, names its stream of random starts.
        ids: names of the examples, by default their positions.
        batch_size: rows per pass; it changes the numbers by float rounding only.
        box: keep `x + d` inside this interval; the images must lie in it.

    Returns:
        Float64 tensors on the CPU.

    Raises:
        InputError: bad radii, norm, steps, restarts, ids or box; a loss that is not finite.

    Cost: `1 + steps * restarts * len(radii)` forward and backward passes per example.

    >>> bowl = lambda x: x.square() @ torch.tensor([1.0, 3.0]).double()
    >>> linearity_gap(bowl, torch.ones(1, 2).double(), [1.0, 2.0], norm="l2").gap.round(decimals=3)
    tensor([[ 3., 12.]], dtype=torch.float64)
    """
    ascent = Ascent(norm, steps, restarts, box)
    lengths, names = ascent.lengths(radii, images), example_ids(ids, len(images))
    gaps = []
    for rows, part, x in blocks(loss, images, batch_size):
        streams = generators(seed, names[rows], "linearity")
        centre = Point.at(part, x)
        level = Point(x, torch.zeros_like(centre.value), torch.zeros_like(x))
        aim = _nowhere_zero(centre.gradient, streams)
        gaps.append(ascent.largest(_Departure(part, centre), level, lengths, streams, aim))
    return LinearityGap(norm, tuple(lengths), torch.cat(gaps), 1 + ascent.passes(lengths))


def _nowhere_zero(directions: Tensor, streams: Sequence[np.random.Generator]) -> Tensor:
    """Return directions `(n, ...)`, those that are 0 replaced by random ones."""
    dead = ~directions.flatten(1).any(1)
    if not dead.any():
        return directions
    drawn = [stream for stream, none in zip(streams, dead.tolist(), strict=True) if none]
    replaced = directions.clone()
    replaced[dead] = normal(drawn, directions.shape[1:], directions)
    return replaced


@dataclass(frozen=True)
class _Departure:
    """The distance of the loss from its linearisation at the centre."""

    loss: InputFunction
    centre: Point

    def __call__(self, images: Tensor) -> Tensor:
        moved = (images - self.centre.images).flatten(1)
        linear = self.centre.value.to(images) + (moved * self.centre.gradient.flatten(1)).sum(1)
        return (self.loss(images) - linear).abs()
