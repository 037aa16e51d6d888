"""How much a prediction has changed: a divergence between two predicted distributions."""

from __future__ import annotations

import math

from torch import Tensor, logaddexp


def jensen_shannon(first: Tensor, second: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the Jensen-Shannon divergence of two predictions from their logits, in nats.

    `KL(p | m) / 2 + KL(q | m) / 2` with `m = (p + q) / 2`: from 0 for equal predictions to log 2
    for certain ones of different classes. Between the classifier's answer to an image and to its
    reconstruction it is the second detector of MagNet (Meng and Chen 2017, "MagNet: a two-pronged
    defense against adversarial examples").

    Args:
        first: logits `(n, classes)`.
        second: logits `(n, classes)`.
        temperature: that both are divided by; above 1 it shows what confident predictions hide.

    Returns:
        `(n,)`, float64.

    >>> import torch
    >>> jensen_shannon(torch.tensor([[99.0, 0.0]]), torch.tensor([[0.0, 99.0]])).exp()
    tensor([2.], dtype=torch.float64)
    """
    log_p, log_q = ((logits.double() / temperature).log_softmax(1) for logits in (first, second))
    log_m = logaddexp(log_p, log_q) - math.log(2)
    halves = [(log.exp() * (log - log_m)).sum(1) / 2 for log in (log_p, log_q)]
    return (halves[0] + halves[1]).clamp_min(0)
