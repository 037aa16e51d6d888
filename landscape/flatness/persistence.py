"""The strongest Gaussian noise that the label survives with a given probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from attacks.norms import per_example
from core.errors import InputError
from core.randomness import generators, normal
from core.statistics.proportions import clopper_pearson
from landscape.loss import Loss, blocks, evaluate, example_ids

_WEIGHTS = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64)
"""How much the width of each bracket counts: the estimate is to be twice as fine as its ends."""


@dataclass(frozen=True)
class Persistence:
    """How strong the noise may be around each example.

    Attributes:
        gamma: probability with which the label is to be kept.
        sigma: the estimate, `(n,)`, in input units, cut to the least and the most that were told
            apart; 0 where the image itself has not the label.
        low: lower end of the interval of `sigma`, `(n,)`; 0 where nothing is certain.
        high: upper end, `(n,)`; infinite where even the strongest noise may be survived.
        level: confidence of the interval of each example.
        draws: noise draws per example, the same at all sigmas.
        evaluations: forward passes spent per example.
    """

    gamma: float
    sigma: Tensor
    low: Tensor
    high: Tensor
    level: float
    draws: int
    evaluations: int


def label_persistence(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    gamma: float = 0.8,
    between: tuple[float, float] = (1e-3, 1.0),
    draws: int = 64,
    steps: int = 8,
    level: float = 0.95,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> Persistence:
    """Estimate the largest `sigma` at which the label is kept with probability at least `gamma`.

    The gamma-persistence of Bell et al. 2024, "Persistent classification", under noise
    `N(0, sigma^2 I)`. For a linear classifier with two classes it is the distance of the boundary
    divided by `Phi^-1(gamma)`.

    All sigmas share their draws, so the share that is kept is one step function of sigma. Three of
    its crossings are bisected at a time, on a logarithmic scale: that of `gamma` itself (the
    estimate: the geometric mean of its bracket) and those of the shares whose two-sided
    Clopper-Pearson bounds just exclude `gamma` (the ends: the outer sides of their brackets).
    The interval is that of an inverted test: at the true sigma the probability is `gamma`, so with
    probability `level` the share there lies between the two, whatever sigma is. Where the share
    rises again with sigma (a class that strong noise looks like), the crossings found are the first
    among the sigmas tried.

    Args:
        classifier: maps images to logits `(rows, k)`; in eval mode.
        images: `(n, ...)`, any trailing shape. Noisy images are not clamped.
        labels: reference labels `(n,)`.
        gamma: between 0 and 1. The default is a compromise: the larger it is, the better few draws
            determine sigma, and the more of them it takes to be certain of anything.
        between: the least and the most sigma that are told apart, per coordinate, in input units.
        draws: noise draws per example. The interval is wide with few: for a linear classifier half
            to 2.4 times the truth with 32 draws, 0.65 to 1.7 with 64, 0.8 to 1.25 with 256, and a
            little more where few sigmas are tried.
        steps: sigmas tried per example; each goes to the crossing whose bracket is widest.
        level: confidence of the interval of each example.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Returns:
        Float64 tensors on the CPU.

    Raises:
        InputError: bad gamma, sigmas, draws, steps, level, ids or labels.

    Cost: `draws * steps + 1` forward passes per example.
    """
    if not 0 < gamma < 1:
        raise InputError(f"--gamma: expected a probability between 0 and 1, found {gamma}.")
    if not 0 < between[0] < between[1] < math.inf:
        raise InputError(f"between: expected 0 < least < most sigma, found {between}.")
    if draws < 1 or steps < 1:
        raise InputError(f"expected draws and steps of at least 1, found {draws} and {steps}.")
    needed = _needed(gamma, draws, level)
    names = example_ids(ids, len(images))
    found = [torch.zeros(0, 3, dtype=torch.float64)]
    for rows, part, x in blocks(Loss(classifier, labels), images, max(1, batch_size // draws)):
        assert isinstance(part, Loss)
        noise = normal(generators(seed, names[rows], "persistence"), (draws, *x.shape[1:]), x)
        kept = _Kept(part)
        centre = evaluate(kept, x.unsqueeze(0), batch_size)[0]
        search = _Search.begin(centre, needed, draws, between)
        for _ in range(steps):
            sigma = search.next()
            points = x + per_example(sigma.to(x), x) * noise.transpose(0, 1)
            search = search.with_count(sigma, evaluate(kept, points, batch_size).sum(0))
        found.append(search.ends())
    low, sigma, high = torch.cat(found).unbind(1)
    return Persistence(gamma, sigma, low, high, level, draws, draws * steps + 1)


@dataclass(frozen=True)
class _Kept:
    """Whether the label is kept, as 0 or 1."""

    loss: Loss

    def __call__(self, images: Tensor) -> Tensor:
        return self.loss.kept(self.loss.logits(images)).to(torch.float32)


def _needed(gamma: float, draws: int, level: float) -> Tensor:
    """Return how many draws must be kept: for certain, in the estimate, and at least possibly.

    One more than `draws` where not even all of them make it certain.
    """
    counts = np.arange(draws + 1)
    bounds = clopper_pearson(counts, draws, level=level)
    certain = np.append(counts[bounds.low > gamma], draws + 1)[0]
    possible = np.append(counts[bounds.high >= gamma], draws + 1)[0]
    return torch.tensor([certain, math.ceil(gamma * draws - 1e-9), possible], dtype=torch.float64)


@dataclass(frozen=True)
class _Search:
    """Brackets of the crossings of three counts, `(n, 3)`, and what was counted so far.

    Attributes:
        needed: the counts, `(3,)`, falling: that of the lower end first.
        sigmas: tried so far, `(n, t)`, the first two columns standing for no noise and beyond all.
        counts: how many draws kept the label there, `(n, t)`.
        between: the least and the most sigma.
    """

    needed: Tensor
    sigmas: Tensor
    counts: Tensor
    between: tuple[float, float]

    @staticmethod
    def begin(centre: Tensor, needed: Tensor, draws: int, between: tuple[float, float]) -> _Search:
        """Know that without noise the label is kept by all draws or by none, `centre` `(n,)`."""
        nothing, everything = torch.zeros_like(centre), torch.full_like(centre, torch.inf)
        return _Search(
            needed,
            torch.stack([nothing, everything], 1),
            torch.stack([centre * draws, torch.full_like(centre, -1)], 1),
            between,
        )

    def brackets(self) -> tuple[Tensor, Tensor]:
        """Return the largest sigma before the first that fails, and that one, `(n, 3)`."""
        sigmas = self.sigmas.unsqueeze(1)
        failed = self.counts.unsqueeze(1) < self.needed.unsqueeze(1)
        upper = torch.where(failed, sigmas, torch.inf).amin(2)
        lower = torch.where(sigmas < upper.unsqueeze(2), sigmas, 0).amax(2)
        return lower, upper

    def next(self) -> Tensor:
        """Return the sigma to try, `(n,)`: the middle of the bracket that is the widest."""
        lower, upper = (side.clamp(*self.between).log() for side in self.brackets())
        widest = ((upper - lower) * _WEIGHTS).argmax(1, keepdim=True)
        return ((lower + upper) / 2).gather(1, widest).squeeze(1).exp()

    def with_count(self, sigma: Tensor, count: Tensor) -> _Search:
        """Return the search with what was counted at a sigma, both `(n,)`."""
        sigmas = torch.cat([self.sigmas, sigma.unsqueeze(1)], 1)
        return replace(self, sigmas=sigmas, counts=torch.cat([self.counts, count.unsqueeze(1)], 1))

    def ends(self) -> Tensor:
        """Return lower end, estimate and upper end, `(n, 3)`."""
        lower, upper = self.brackets()
        inside, outside = (side[:, 1].clamp(*self.between) for side in (lower, upper))
        # A label that the image itself has not is kept by no noise.
        sigma = torch.where(upper[:, 1] > 0, (inside * outside).sqrt(), 0)
        return torch.stack([lower[:, 0], sigma, upper[:, 2]], 1)
