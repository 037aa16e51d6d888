"""How far the input gradient keeps its direction under noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from landscape.balls import Ball
from landscape.flatness.antithetic import antithetic_moments
from landscape.loss import InputFunction, blocks, example_ids, radii_of, value_and_gradient


@dataclass(frozen=True)
class GradientCoherence:
    """Mean cosine of the gradients at noisy copies with that at the example, by radius.

    Attributes:
        radii: l2 lengths in input units.
        mean: `E[cos(g(x + e), g(x))]`, `(n, r)`, from -1 to 1.
        standard_error: Monte-Carlo standard error of `mean`, `(n, r)`, on `pairs - 1` degrees of
            freedom. Columns are not independent: all radii share their directions.
        pairs: antithetic pairs drawn per example.
    """

    radii: tuple[float, ...]
    mean: Tensor
    standard_error: Tensor
    pairs: int


def gradient_coherence(
    loss: InputFunction,
    images: Tensor,
    radii: Sequence[float],
    *,
    draws: int = 16,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> GradientCoherence:
    """Estimate how coherent the gradient is: the mean cosine of `g(x + e)` with `g(x)`.

    Gaussian noise `e` of root-mean-square length `r`, in antithetic pairs. A linear loss has 1 at
    all radii; gradients that share nothing have 0, as at both sides of the kink of `|x|`. That
    gradients of networks decorrelate over short distances is what SmoothGrad averages away (Smilkov
    et al. 2017) and what Balduzzi et al. 2017 call shattered gradients.

    Args:
        loss: see `landscape.loss`; differentiable almost everywhere.
        images: `(n, ...)`, any trailing shape.
        radii: l2 lengths in input units; `sigma = r / sqrt(d)` per coordinate.
        draws: noise draws per example and radius; even, at least 4.
        seed: with an example's id, names its stream of random numbers: those of `noise_rise`.
        ids: names of the examples, by default their positions.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Returns:
        Float64 tensors on the CPU. A gradient of 0 has a cosine of 0 with any other.

    Raises:
        InputError: bad radii, draws or ids; a loss that is not finite.

    Cost: `draws * len(radii) + 2` forward and backward passes per example.

    >>> slope = lambda x: x @ torch.tensor([3.0, -4.0])
    >>> gradient_coherence(slope, torch.zeros(1, 2), [0.5], draws=4).mean.round(decimals=4)
    tensor([[1.]], dtype=torch.float64)
    """
    names = example_ids(ids, len(images))
    means, errors = [], []
    for rows, part, x in blocks(loss, images, batch_size):
        moments = antithetic_moments(
            _Cosine(part, _direction(part, x)), x, radii, draws=draws, seed=seed, ids=names[rows],
            batch_size=batch_size,
        )  # fmt: skip
        means.append(moments.centre[:, None, 0] + moments.mean[:, :, 0])
        errors.append(moments.standard_error[:, :, 0])
    return GradientCoherence(
        tuple(radii_of(radii)), torch.cat(means), torch.cat(errors), draws // 2
    )


@dataclass(frozen=True)
class _Cosine:
    """The cosine of the gradient at each row with a direction of its example, `(rows,)`."""

    loss: InputFunction
    direction: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        found = _direction(self.loss, images)
        copies = found.reshape(-1, *self.direction.shape)
        return (copies * self.direction).flatten(2).sum(2).flatten()


def _direction(loss: InputFunction, images: Tensor) -> Tensor:
    """Return the gradient brought to length 1, or 0 where it is 0."""
    gradient = value_and_gradient(loss, images)[1]
    return Ball(images, "l2", 1.0).steepest(gradient)
