"""How Gaussian noise shifts the log-odds of every other class against the predicted one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from core.errors import InputError
from landscape.flatness.antithetic import Moments, antithetic_moments
from landscape.loss import Loss, radii_of
from landscape.predictions import predictions

LEAST_REFERENCES = 10
"""Fewer reference images of a class than this say little about their own deviation."""


@dataclass(frozen=True)
class LogOddsShift:
    """Mean shift of the log-odds of each rival class, by radius.

    Attributes:
        radii: l2 lengths of the noise in input units.
        predicted: the class predicted at the image itself, `(n,)`.
        shift: `E[f_z(x + e) - f_y(x + e)] - (f_z(x) - f_y(x))` with `f` the logits and `y` the
            predicted class, `(n, r, k)`, in nats; 0 at `z = y`.
        standard_error: Monte-Carlo standard error of `shift`, `(n, r, k)`, on `pairs - 1` degrees
            of freedom. Columns are not independent: all share their noise.
        pairs: antithetic pairs drawn per example.
    """

    radii: tuple[float, ...]
    predicted: Tensor
    shift: Tensor
    standard_error: Tensor
    pairs: int

    def largest(self) -> tuple[Tensor, Tensor]:
        """Return the largest shift over the rivals and its standard error, `(n, r)` each.

        The error is that of the rival in front. Which one that is, is estimated from the same
        noise: where several are close the largest is a little too large.
        """
        top = self.of_rivals(self.shift).max(2)
        return top.values, self.standard_error.gather(2, top.indices.unsqueeze(2)).squeeze(2)

    def table(self, ids: Sequence[str]) -> pd.DataFrame:
        """Return id, predicted class and shifts, one row per example, without their errors."""
        return pd.DataFrame(
            {
                "id": list(ids),
                "predicted": self.predicted.numpy(),
                "shift": list(self.shift.flatten(1).numpy()),
            }
        )

    @staticmethod
    def of_table(table: pd.DataFrame, radii: Sequence[float], pairs: int) -> LogOddsShift:
        """Return what `table` was made of, the errors unknown."""
        flat = torch.from_numpy(np.stack(table["shift"].to_list()).astype(np.float64))
        shift = flat.reshape(len(table), len(radii), -1)
        predicted = torch.tensor(table["predicted"].tolist())
        return LogOddsShift(
            tuple(radii), predicted, shift, torch.full_like(shift, torch.nan), pairs
        )

    def of_rivals(self, values: Tensor) -> Tensor:
        """Return values `(n, r, k)` with those of the predicted class made -infinite."""
        own = self.predicted.reshape(-1, 1, 1).expand(*values.shape[:2], 1)
        return values.scatter(2, own, float("-inf"))


def log_odds_shift(
    classifier: nn.Module,
    images: Tensor,
    radii: Sequence[float],
    *,
    draws: int = 64,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> LogOddsShift:
    """Estimate by how much noise shifts the log-odds of every other class, on average.

    The statistic `g_{y,z}` of Roth, Kilcher and Hofmann 2019, "The odds are odd: a statistical test
    for detecting adversarial examples": noise is said to carry an adversarial image back towards
    its true class `z`, whose log-odds then rise, while those of a genuine image fall or stay. It is
    0 for a linear classifier. `log_odds_score` standardises it.

    Args:
        classifier: maps images to logits `(rows, k)`, `k` at least 2; in eval mode.
        images: `(n, ...)`, any trailing shape.
        radii: l2 lengths in input units; `sigma = r / sqrt(d)` per coordinate.
        draws: noise draws per example and radius, in antithetic pairs; even, at least 4.
        seed: with an example's id, names its stream of random numbers: those of `noise_rise`.
        ids: names of the examples, by default their positions.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Returns:
        Float64 tensors on the CPU.

    Raises:
        InputError: bad radii, draws or ids; logits that are not finite.

    Cost: `draws * len(radii) + 2` forward passes per example.

    >>> net = nn.Linear(2, 2, bias=False).requires_grad_(False)
    >>> shift = log_odds_shift(net, torch.rand(3, 2), [0.5], draws=4).shift
    >>> bool(shift.abs().max() < 1e-6)
    True
    """
    predicted = predictions(classifier, images, batch_size)
    moments = antithetic_moments(
        LogOdds(Loss(classifier, predicted)), images, radii, draws=draws, seed=seed, ids=ids,
        batch_size=batch_size,
    )  # fmt: skip
    return shift_of(moments, radii, predicted)


def shift_of(
    moments: Moments, radii: Sequence[float], predicted: Tensor, first: int = 0
) -> LogOddsShift:
    """Read the shift off the moments of several functions, from the first of `LogOdds` on."""
    return LogOddsShift(
        radii=tuple(radii_of(radii)),
        predicted=predicted.cpu(),
        shift=moments.mean[:, :, first:],
        standard_error=moments.standard_error[:, :, first:],
        pairs=moments.pairs,
    )


@dataclass(frozen=True)
class LogOdds:
    """The logits relative to that of the loss's label, `(rows, k)`."""

    loss: Loss

    def __call__(self, images: Tensor) -> Tensor:
        """Return them for a stack of copies of the images."""
        return self.of_logits(self.loss.logits(images))

    def of_logits(self, logits: Tensor) -> Tensor:
        """Return them for logits that are there already."""
        return logits - logits.gather(1, self.loss.labels_of(logits).unsqueeze(1))

    def select(self, examples: slice) -> LogOdds:
        """Return the same for some of the examples."""
        return LogOdds(self.loss.select(examples))


def log_odds_score(
    shift: LogOddsShift, references: LogOddsShift, allowed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the largest shift over the rivals, each in deviations from genuine images, and whose.

    `max_z (g_{y,z} - mu_{y,z}) / sigma_{y,z}`, with mean and standard deviation over the reference
    images that are predicted as `y`, too (Roth, Kilcher and Hofmann 2019). For a `y` with fewer
    than 10 of them they are taken over the references of all classes but `z`, rival by rival. A
    rival whose references do not vary counts as 0.

    Args:
        shift: of the images.
        references: of genuine images, at the same radii.
        allowed: `(n, m)` whether a reference may serve an image: not the image itself, nor the one
            that it was made from. None: all.

    Returns:
        The score, `(n, r)`, and the rival class that has it, `(n, r)`: of an adversarial image the
        true class, if noise undoes the attack.

    Raises:
        InputError: other radii or classes, or an image with fewer than two references.
    """
    if references.radii != shift.radii or references.shift.shape[1:] != shift.shift.shape[1:]:
        raise InputError(
            f"references: expected radii {shift.radii} and {shift.shift.shape[2]} classes, found "
            f"{references.radii} and {references.shift.shape[2]}."
        )
    if allowed is None:
        allowed = torch.ones(len(shift.shift), len(references.shift), dtype=torch.bool)
    scores = torch.empty_like(shift.shift)
    for i, own in enumerate(shift.predicted.tolist()):
        mean, deviation = _moments(references, own, allowed[i])
        distance = (shift.shift[i] - mean) / deviation
        scores[i] = torch.where(deviation > 0, distance, 0)
    top = shift.of_rivals(scores).max(2)
    return top.values, top.indices


def _moments(references: LogOddsShift, own: int, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of the shifts for a predicted class, `(r, k)` each."""
    alike = allowed & (references.predicted == own)
    if int(alike.sum()) >= LEAST_REFERENCES:
        chosen = references.shift[alike]
        return chosen.mean(0), chosen.std(0)
    if int(allowed.sum()) < 2:
        raise InputError(
            f"references: expected at least 2 genuine images, found {int(allowed.sum())}."
        )
    chosen = references.shift[allowed]
    classes = torch.arange(chosen.shape[2])
    # A class has no odds against itself: the references predicted as z say nothing about z.
    counts = (references.predicted[allowed].unsqueeze(1) != classes).double().unsqueeze(1)
    number = counts.sum(0)
    mean = (chosen * counts).sum(0) / number.clamp_min(1)
    squares = ((chosen - mean).square() * counts).sum(0) / (number - 1).clamp_min(1)
    return mean, squares.sqrt()
