"""A ball in a latent space, whose unit of length is each number's own standard deviation."""

from __future__ import annotations

import torch
from torch import Tensor

from attacks.norms import lengths, per_example, steepest


def project(moves: Tensor, radius: float, norm: str) -> Tensor:
    """Return the nearest moves (in l2) that are no longer than the radius.

    Args:
        moves: `(n, k)`, in units of the spread.
        radius: in the same units.
        norm: `l2` or `linf`.

    >>> project(torch.tensor([[3.0, 4.0]]), 1.0, "l2")
    tensor([[0.6000, 0.8000]])
    >>> project(torch.tensor([[3.0, -0.5]]), 1.0, "linf")
    tensor([[ 1.0000, -0.5000]])
    """
    if norm == "linf":
        return moves.clamp(-radius, radius)
    long = lengths(moves, norm)
    shrink = torch.where(long > radius, radius / long, 1.0)
    return moves * per_example(shrink, moves)


def ahead(
    moves: Tensor, gradients: Tensor, spread: Tensor, radius: float, length: float, norm: str
) -> Tensor:
    """Take a step uphill inside the ball.

    Args:
        moves: `(n, k)`, how far each latent is from its start, in units of the spread.
        gradients: `(n, k)`, of the objective, with respect to the latents themselves.
        spread: `(k,)`; a number of the latent that does not vary stays as it is.
        radius: of the ball, in units of the spread.
        length: of the step, in the norm and the same units.
        norm: `l2` or `linf`: the step is the steepest one in this norm.
    """
    return project(moves + length * steepest(gradients * spread, norm), radius, norm)
