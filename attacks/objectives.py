"""What an attack climbs, and when it has won.

An attack that only uses the direction of the gradient (sign or normalised steps) may climb any
increasing function of its loss. For the cross-entropy, `softplus(o)` with `o` the log-odds against
the label, that function is `o` itself: the same direction at every point, and one that does not
vanish or overflow however confident the classifier is. So no attack stands still on a saturated
example.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from core.losses import margin

Objective = Callable[[Tensor, Tensor], Tensor]


def log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-odds against the label, `log((1 - p_y) / p_y)`: `(n, k), (n,) -> (n,)`, in nats.

    >>> log_odds(torch.tensor([[2000.0, 0.0]]), torch.tensor([0])).item()
    -2000.0
    """
    index = labels.unsqueeze(1)
    rest = logits.scatter(1, index, float("-inf"))
    return torch.logsumexp(rest, 1) - logits.gather(1, index).squeeze(1)


def objective(name: str, targeted: bool) -> Objective:
    """Return what is climbed: away from the label or, if targeted, towards the target.

    `cross_entropy` climbs the cross-entropy of the label or descends that of the target, as its
    log-odds; `log_probability` descends log p of the label or climbs that of the target, which is
    the same walk; `margin` climbs the best other logit minus the label's, or the target's minus
    the best other.
    """
    rises: Objective = margin if name == "margin" else log_odds
    if targeted:
        return lambda logits, references: -rises(logits, references)
    return rises


def lead(logits: Tensor, references: Tensor, targeted: bool) -> Tensor:
    """How far the goal is reached, in logits: positive where the label is lost or target won."""
    value = margin(logits, references)
    return -value if targeted else value


def rounding(logits: Tensor) -> Tensor:
    """The lead that rounding can undo when the same image is evaluated in another batch, `(n,)`.

    An example counts as fooled only beyond it, so that whoever verifies it sees it fooled too.
    """
    return 16 * torch.finfo(logits.dtype).eps * logits.abs().amax(1)
