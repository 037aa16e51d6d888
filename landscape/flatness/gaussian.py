"""What one and the same Gaussian noise tells of loss, label and log-odds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from landscape.flatness.antithetic import antithetic_moments
from landscape.flatness.log_odds import LogOdds, LogOddsShift, shift_of
from landscape.flatness.noise import NoiseRise, rise_of
from landscape.flatness.stability import LEVEL, LabelStability, LossAndLabel, stability_of
from landscape.loss import Loss


def gaussian_noise(
    loss: Loss,
    images: Tensor,
    predicted: Tensor,
    radii: Sequence[float],
    *,
    draws: int = 64,
    level: float = LEVEL,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> tuple[NoiseRise, LabelStability, LogOddsShift]:
    """Estimate rise of the loss, stability of the label and shift of the log-odds in one pass.

    The same numbers as `noise_rise`, `label_stability` (at `sigma = r / sqrt(d)`) and
    `log_odds_shift`, up to the last bits, for the forward passes of one of them.

    Args:
        predicted: the predicted classes, `(n,)`; the other arguments are theirs.
    """
    function = _Joined(LossAndLabel(loss), LogOdds(Loss(loss.classifier, predicted)))
    moments = antithetic_moments(
        function, images, radii, draws=draws, seed=seed, ids=ids, batch_size=batch_size
    )
    return (
        rise_of(moments, radii),
        stability_of(moments, radii, images, level),
        shift_of(moments, radii, predicted, first=2),
    )


@dataclass(frozen=True)
class _Joined:
    """Loss, whether the label is kept, and log-odds, `(rows, 2 + k)`."""

    first: LossAndLabel
    rest: LogOdds

    def __call__(self, images: Tensor) -> Tensor:
        logits = self.first.loss.logits(images)
        return torch.cat([self.first.of_logits(logits), self.rest.of_logits(logits)], 1)

    def select(self, examples: slice) -> _Joined:
        return _Joined(self.first.select(examples), self.rest.select(examples))
