"""How much the input gradient changes over one finite step along itself, as CURE penalises it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from attacks.norms import per_example
from core.errors import InputError, unknown_name
from landscape.balls import Ball
from landscape.loss import InputFunction, blocks, precise, value_and_gradient

DIRECTIONS = ("sign", "gradient")
_OF_A_PIXEL = 0.0125


def default_step(pixels: int) -> float:
    """Return the l2 length of a step of 0.0125 in each of `pixels` values (channels included).

    >>> default_step(64)
    0.1
    """
    return float(f"{_OF_A_PIXEL * pixels**0.5:.2g}")


def gradient_change(
    loss: InputFunction,
    images: Tensor,
    step: float,
    *,
    direction: str = "sign",
    batch_size: int = 256,
) -> Tensor:
    """Return how fast the gradient of the loss changes along itself, `|g(x + h z) - g(x)|_2 / h`.

    The curvature penalty of Moosavi-Dezfooli et al. 2019, "Robustness via curvature
    regularization, and vice versa" (CURE), before it is squared: `z` is the sign of the gradient
    brought to l2 length 1, so that `h z` moves every pixel by `h / sqrt(d)`. With `gradient` it is
    the gradient itself at length 1. For a quadratic loss both give `|H z|`, whatever the step. For
    a piecewise-linear network the finite step takes in the kinks that a second derivative at the
    image does not see.

    Args:
        loss: see `landscape.loss`; differentiable almost everywhere.
        images: `(n, ...)`, any trailing shape.
        step: `h`, an l2 length in input units.
        direction: `sign` or `gradient`.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Returns:
        `(n,)`, in nats per squared input unit; 0 where the gradient is 0. Float64 on the CPU.

    Raises:
        InputError: a step that is not above 0, an unknown direction, a loss that is not finite.

    Cost: two forward and backward passes per example.

    >>> bowl = lambda x: x.square() @ torch.tensor([1.0, 3.0])
    >>> gradient_change(bowl, torch.tensor([[0.0, 1.0]]), 0.5)
    tensor([6.], dtype=torch.float64)
    """
    if direction not in DIRECTIONS:
        raise unknown_name("--direction", direction, DIRECTIONS)
    if not 0 < step < math.inf:
        raise InputError(f"--curvature_step: expected a length above 0, found {step}.")
    found = [torch.zeros(0, dtype=torch.float64)]
    for _, part, x in blocks(loss, images, batch_size):
        _, before = value_and_gradient(part, x)
        _, after = value_and_gradient(part, x + step * _along(before, direction))
        change = precise((after - before).flatten(1))
        found.append(torch.linalg.vector_norm(change, dim=1) / step)
    return torch.cat(found)


def _along(gradient: Tensor, direction: str) -> Tensor:
    """Return the direction of the step, of l2 length 1, or 0 where the gradient is 0."""
    if direction == "gradient":
        return Ball(gradient, "l2", 1.0).steepest(gradient)
    sign = gradient.sign()
    moved = sign.flatten(1).abs().sum(1).clamp_min(1)
    return sign / per_example(moved.sqrt(), gradient)
