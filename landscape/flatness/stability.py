"""How much Gaussian noise the label survives, and the radius that is certified by it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.statistics.proportions import clopper_pearson
from landscape.flatness.antithetic import Moments, antithetic_moments
from landscape.flatness.noise import NoiseRise, rise_of
from landscape.loss import Loss, radii_of

LEVEL = 0.999
"""Confidence of the bounds, as Cohen et al. have it."""


@dataclass(frozen=True)
class LabelStability:
    """How the label survives Gaussian noise, one column per noise level.

    Attributes:
        sigmas: standard deviations of the noise per coordinate, in input units.
        share: share of all draws that keep the label, `(n, s)`: the best estimate.
        lower: lower confidence bound of the probability that the label is kept, `(n, s)`.
        radius: certified l2 radius in input units, `(n, s)`; 0 where nothing is certified.
        level: confidence of each bound by itself, not of all columns together.
        trials: independent draws per example and sigma behind `lower`.
    """

    sigmas: tuple[float, ...]
    share: Tensor
    lower: Tensor
    radius: Tensor
    level: float
    trials: int


def label_stability(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    sigmas: Sequence[float],
    *,
    draws: int = 64,
    level: float = LEVEL,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> LabelStability:
    """Estimate how often the label survives Gaussian noise, and certify an l2 radius.

    With probability `level` the label's true share `p` is at least the one-sided Clopper-Pearson
    bound `lower`; if `lower > 1/2`, the classifier *smoothed by this noise* gives the label to all
    images within `sigma * Phi^-1(lower)` (Cohen, Rosenfeld, Kolter 2019, theorem 1).

    Draws come in antithetic pairs, which share their randomness. The bound assumes independent
    draws, so it counts the first of each pair only: `draws / 2` trials. `share` averages all
    `draws` and is the less noisy estimate, but no certificate follows from it.

    Args:
        classifier: maps images in `[0, 1]` to logits `(rows, k)`; in eval mode.
        images: `(n, ...)`, any trailing shape.
        labels: reference labels `(n,)`.
        sigmas: standard deviations per coordinate, in input units. Noisy images are not clamped:
            the theorem is about Gaussian noise.
        draws: noise draws per example and sigma; even, at least 4.
        level: confidence of each bound.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Returns:
        Float64 tensors on the CPU.

    Raises:
        InputError: bad sigmas, draws, level, ids or labels.

    Cost: `draws * len(sigmas) + 1` forward passes per example.
    """
    radii = [sigma * _root_dimension(images) for sigma in radii_of(sigmas, "sigmas")]
    _, stability = noise_and_stability(
        Loss(classifier, labels), images, radii, draws=draws, level=level, seed=seed, ids=ids,
        batch_size=batch_size,
    )  # fmt: skip
    return stability


def noise_and_stability(
    loss: Loss,
    images: Tensor,
    radii: Sequence[float],
    *,
    draws: int = 64,
    level: float = LEVEL,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> tuple[NoiseRise, LabelStability]:
    """Estimate the rise of the loss and the stability of the label from the same Gaussian noise.

    The same numbers as `noise_rise(loss, images, radii)` and `label_stability` at
    `sigma = r / sqrt(d)`, for the forward passes of one of them.
    """
    if not 0 < level < 1:
        raise InputError(f"--level: expected a probability between 0 and 1, found {level}.")
    moments = antithetic_moments(
        LossAndLabel(loss), images, radii, draws=draws, seed=seed, ids=ids, batch_size=batch_size
    )
    return rise_of(moments, radii), stability_of(moments, radii, images, level)


def certified_radius(lower: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Return the certified l2 radius `sigma * Phi^-1(lower)`, or 0 where `lower <= 1/2`; `(n, s)`.

    >>> certified_radius(torch.tensor([[0.4, 0.8413447]]), [0.25, 0.25])
    tensor([[0.0000, 0.2500]])
    """
    return torch.special.ndtri(lower).clamp_min(0) * lower.new_tensor(list(sigmas))


@dataclass(frozen=True)
class LossAndLabel:
    """The loss beside whether the label is kept: `(rows, 2)` from one forward pass."""

    loss: Loss

    def __call__(self, images: Tensor) -> Tensor:
        """Return both for a stack of copies of the images."""
        return self.of_logits(self.loss.logits(images))

    def of_logits(self, logits: Tensor) -> Tensor:
        """Return both for logits that are there already."""
        values = self.loss.of_logits(logits)
        return torch.stack([values, self.loss.kept(logits).to(values)], 1)

    def select(self, examples: slice) -> LossAndLabel:
        """Return the same for some of the examples."""
        return LossAndLabel(self.loss.select(examples))


def stability_of(
    moments: Moments, radii: Sequence[float], images: Tensor, level: float
) -> LabelStability:
    """Read the stability of the label off moments whose first columns are `LossAndLabel`."""
    sigmas = tuple(r / _root_dimension(images) for r in radii_of(radii))
    kept = moments.centre[:, None, 1]
    successes = ((kept + moments.first[:, :, 1]) * moments.pairs).round()
    bound = clopper_pearson(successes.numpy(), moments.pairs, level=level, side="lower")
    lower = torch.from_numpy(np.asarray(bound.low))
    return LabelStability(
        sigmas=sigmas,
        share=(kept + moments.mean[:, :, 1]).clamp(0, 1),
        lower=lower,
        radius=certified_radius(lower, sigmas),
        level=level,
        trials=moments.pairs,
    )


def _root_dimension(images: Tensor) -> float:
    return math.sqrt(images[0].numel())
