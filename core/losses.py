"""Losses of a classifier at an input, one number per example, accurate at any confidence.

All take logits `(n, k)` and reference labels `(n,)` and return `(n,)`, in nats (the margin in logit
units). Nothing is averaged: examples of a batch do not interact.

The cross-entropy is written as `softplus(logsumexp_{j != y} z_j - z_y)`. The usual form,
`logsumexp(z) - z_y`, and its gradient, `p - onehot`, cancel to exactly 0 in float32 as soon as
`1 - p_y < 6e-8`; attacks then stand still and flatness reads 0 where it is merely small. The form
used here keeps full relative precision down to the smallest positive number.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

LossFunction = Callable[[Tensor, Tensor], Tensor]


def _others(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Split logits into that of the label, `(n,)`, and the rest with the label's set to -inf."""
    index = labels.unsqueeze(1)
    own = logits.gather(1, index).squeeze(1)
    return own, logits.scatter(1, index, float("-inf"))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the label, `-log p_y`, in nats.

    >>> cross_entropy(torch.tensor([[40.0, 0.0]]), torch.tensor([0])).item() > 0
    True
    """
    own, rest = _others(logits, labels)
    odds = torch.logsumexp(rest, 1) - own
    # softplus underflows through exp(odds) only where the float type itself does.
    return functional.softplus(odds, threshold=80.0)


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Margin loss, `max_{j != y} z_j - z_y`: positive exactly where the label is not predicted."""
    own, rest = _others(logits, labels)
    return rest.amax(1) - own


def log_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of the label, `log p_y`: minus the cross-entropy.

    As a landscape it is the height an attacker climbs towards a target label (reference `target`).
    """
    return -cross_entropy(logits, labels)


LOSSES: dict[str, LossFunction] = {
    "cross_entropy": cross_entropy,
    "margin": margin,
    "log_probability": log_probability,
}
