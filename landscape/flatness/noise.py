"""Expected rise of the loss under random noise of a given length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from landscape.flatness.antithetic import Moments, antithetic_moments
from landscape.loss import InputFunction, radii_of


@dataclass(frozen=True)
class NoiseRise:
    """Expected rise of the loss around each example, one column per radius.

    Attributes:
        radii: l2 lengths in input units.
        centre: loss at the example, `(n,)`, in nats.
        mean: `E[l(x + e)] - l(x)`, `(n, r)`, in nats.
        standard_error: Monte-Carlo standard error of `mean`, `(n, r)`, on `pairs - 1` degrees of
            freedom. Columns are not independent: all radii share their directions.
        pairs: antithetic pairs drawn per example.
    """

    radii: tuple[float, ...]
    centre: Tensor
    mean: Tensor
    standard_error: Tensor
    pairs: int


def noise_rise(
    loss: InputFunction,
    images: Tensor,
    radii: Sequence[float],
    *,
    kind: str = "gaussian",
    draws: int = 64,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
    box: tuple[float, float] | None = None,
) -> NoiseRise:
    """Estimate the expected rise of the loss, `E[l(x + e)] - l(x)`, per example and radius.

    On the sphere `|e|_2 = r`; Gaussian noise has `sigma = r / sqrt(d)` per coordinate, so that
    `E|e|^2 = r^2`. Draws come in antithetic pairs `(e, -e)`: the odd part of the loss, its gradient
    first, cancels, and what is left is curvature: `r^2 tr(H) / (2d)` to second order.

    Args:
        loss: see `landscape.loss`.
        images: `(n, ...)`, any trailing shape.
        radii: l2 lengths in input units.
        kind: `gaussian` or `sphere`.
        draws: noise draws per example and radius; even, at least 4.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.
        box: clamp noisy images to this interval. Off by default: clamped noise is shorter than the
            radius says, by an amount that differs between examples, and no longer antithetic.

    Returns:
        Float64 tensors on the CPU.

    Raises:
        InputError: bad radii, kind, draws or ids; a loss that is not finite.

    Cost: `draws * len(radii) + 1` forward passes per example.

    >>> import torch
    >>> bowl = lambda x: x.square().sum(1)
    >>> noise_rise(bowl, torch.ones(1, 3), [0.0, 2.0], kind="sphere").mean.round(decimals=4)
    tensor([[0., 4.]], dtype=torch.float64)
    """
    moments = antithetic_moments(
        loss, images, radii, kind=kind, draws=draws, seed=seed, ids=ids, batch_size=batch_size,
        box=box,
    )  # fmt: skip
    return rise_of(moments, radii)


def rise_of(moments: Moments, radii: Sequence[float], column: int = 0) -> NoiseRise:
    """Read the rise of one function off the moments of several."""
    return NoiseRise(
        radii=tuple(radii_of(radii)),
        centre=moments.centre[:, column],
        mean=moments.mean[:, :, column],
        standard_error=moments.standard_error[:, :, column],
        pairs=moments.pairs,
    )
