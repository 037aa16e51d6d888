"""What an attack climbs, and when it has won.

An attack that only uses the direction of the gradient (sign or normalised steps) may climb any
increasing function of its loss. For the cross-entropy, `softplus(o)` with `o` the log-odds against
the label, that function is `o` itself: the same direction at every point, and one that does not
vanish or overflow however confident the classifier is. So no attack stands still on a saturated
example. Where the gradient's length counts as well (plain steps, the optimisers of torch, a mean
over several gradients) the cross-entropy itself is climbed, in the form of `core.losses`, which
keeps its precision far beyond the confidence at which the usual form's gradient is 0.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attacks.dlr import dlr, targeted_dlr
from core.losses import cross_entropy, margin

Objective = Callable[[Tensor, Tensor], Tensor]
Climbed = Callable[[Tensor, Tensor, Tensor], Tensor]


def log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-odds against the label, `log((1 - p_y) / p_y)`: `(n, k), (n,) -> (n,)`, in nats.

    >>> log_odds(torch.tensor([[2000.0, 0.0]]), torch.tensor([0])).item()
    -2000.0
    """
    index = labels.unsqueeze(1)
    rest = logits.scatter(1, index, float("-inf"))
    return torch.logsumexp(rest, 1) - logits.gather(1, index).squeeze(1)


def logit(logits: Tensor, classes: Tensor) -> Tensor:
    """The logit of one class each, `(n, k), (n,) -> (n,)`."""
    return logits.gather(1, classes.unsqueeze(1)).squeeze(1)


def objective(chosen: str | Objective, targeted: bool, scaled: bool = False) -> Climbed:
    """Return what is climbed: away from the label or, if targeted, towards the target.

    - `cross_entropy` climbs the cross-entropy of the label or descends that of the target;
      `log_probability` descends log p of the label or climbs that of the target, which is the same
      walk. Both as log-odds unless `scaled`.
    - `margin` climbs the best other logit minus the label's, or the target's minus the best other.
    - `dlr` is the margin in units of the spread of the largest logits, see `attacks.dlr`.
    - `logit` descends the label's logit or climbs the target's. Zhao, Liu & Larson 2021, "On
      success and simplicity: a second look at transferable targeted attacks".

    Args:
        chosen: one of these names, or a function of logits and references that is climbed as it is,
            targeted or not: `(n, k), (n,) -> (n,)`.
        targeted: whether the references are target classes.
        scaled: whether the size of the gradients matters, so that the cross-entropy itself is
            climbed in place of the log-odds.

    Returns:
        A function of logits `(n, k)`, references `(n,)` and labels `(n,)`, to `(n,)`.
    """
    if callable(chosen):
        return lambda logits, references, labels: chosen(logits, references)
    if chosen == "dlr" and targeted:
        return lambda logits, targets, labels: targeted_dlr(logits, labels, targets)
    sign = -1.0 if targeted else 1.0
    if chosen == "logit":
        return lambda logits, references, labels: -sign * logit(logits, references)
    likelihood = cross_entropy if scaled else log_odds
    rises = {"margin": margin, "dlr": dlr}.get(chosen, likelihood)
    return lambda logits, references, labels: sign * rises(logits, references)


def lead(logits: Tensor, references: Tensor, targeted: bool) -> Tensor:
    """How far the goal is reached, in logits: positive where the label is lost or target won."""
    value = margin(logits, references)
    return -value if targeted else value


def rounding(logits: Tensor) -> Tensor:
    """The lead that rounding can undo when the same image is evaluated in another batch, `(n,)`.

    An example counts as fooled only beyond it, so that whoever verifies it sees it fooled too.
    """
    return 16 * torch.finfo(logits.dtype).eps * logits.abs().amax(1)
