"""Largest rise of the loss in a ball, found by projected gradient ascent: a lower bound on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.randomness import generators
from landscape.balls import Box
from landscape.flatness.ascent import Ascent, Point
from landscape.loss import InputFunction, blocks, example_ids


@dataclass(frozen=True)
class WorstCase:
    """Largest rise of the loss that was found around each example, one column per radius.

    Attributes:
        norm: norm of the ball, `linf` or `l2`.
        radii: radii in input units.
        centre: loss at the example, `(n,)`, in nats.
        rise: `max l(x + d) - l(x)` over the points tried, `(n, r)`, in nats: at most the true
            maximum, never negative, never falling with the radius.
        evaluations: forward and backward passes spent per example.
    """

    norm: str
    radii: tuple[float, ...]
    centre: Tensor
    rise: Tensor
    evaluations: int


def worst_case_rise(
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
) -> WorstCase:
    """Find the largest rise of the loss within balls around each example, by gradient ascent.

    The ascent, whose first start lies along the gradient at the centre, is described in
    `landscape.flatness.ascent`. A linear loss is solved at the start; on convex quadratics whose
    eigenvalues halve, 20 steps come within 1 % of the maximum in an l2 ball, 60 within 0.1 %; more
    slowly where the largest two are close.

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

    >>> slope = lambda x: x @ torch.tensor([3.0, -4.0])
    >>> worst_case_rise(slope, torch.zeros(1, 2), [1.0, 2.0], norm="l2", steps=2).rise
    tensor([[ 5., 10.]], dtype=torch.float64)
    """
    ascent = Ascent(norm, steps, restarts, box)
    lengths, names = ascent.lengths(radii, images), example_ids(ids, len(images))
    centres, rises = [], []
    for rows, part, x in blocks(loss, images, batch_size):
        streams = generators(seed, names[rows], "worst case")
        centre = Point.at(part, x)
        highest = ascent.largest(part, centre, lengths, streams, centre.gradient)
        centres.append(centre.value)
        rises.append(highest - centre.value.unsqueeze(1))
    return WorstCase(
        norm, tuple(lengths), torch.cat(centres), torch.cat(rises), 1 + ascent.passes(lengths)
    )
