"""The difference of logits ratio (DLR), a loss that does not change when all logits are rescaled.

Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks", equations 6 and 7. With `z_(1) >= z_(2) >= ...` the sorted logits:

    DLR(x, y)             = (max_{j != y} z_j - z_y) / (z_(1) - z_(3))
    targeted DLR(x, y, t) = (z_t - z_y) / (z_(1) - (z_(3) + z_(4)) / 2)

The scale that divides needs three and four classes. With three, the targeted loss is divided by
`z_(1) - z_(3)`, which is as free of the logits' scale. With two nothing is left that such a
difference could be measured by (`z_(1) - z_(2)` would make it constant): there the loss is the
difference of the two logits itself, which has the same direction of ascent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.losses import margin

TINY = 1e-12
"""The least the scale may be: logits that are all the same have none."""


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """The difference of logits ratio, `(n, k), (n,) -> (n,)`: positive where the label is lost.

    Never below -1 where the label is predicted, with three classes or more.

    >>> logits = torch.tensor([[5.0, 1.0, 3.0, 0.0]])
    >>> dlr(logits, torch.tensor([0])), dlr(7 * logits, torch.tensor([0]))
    (tensor([-0.5000]), tensor([-0.5000]))
    """
    return margin(logits, labels) / scale(logits, 3)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The targeted difference of logits ratio, `(n, k), (n,), (n,) -> (n,)`.

    >>> logits = torch.tensor([[5.0, 1.0, 3.0, 0.0]])
    >>> targeted_dlr(logits, torch.tensor([0]), torch.tensor([2]))
    tensor([-0.4444])
    """
    own, aimed = (logits.gather(1, index.unsqueeze(1)).squeeze(1) for index in (labels, targets))
    return (aimed - own) / scale(logits, 4)


def scale(logits: Tensor, places: int) -> Tensor:
    """The largest logit less the third, or less the mean of the third to the `places`-th, `(n,)`.

    Where there are fewer classes it makes do with those there are; 1 for two classes.
    """
    if logits.shape[1] < 3:
        return torch.ones_like(logits[:, 0])
    top = logits.topk(min(places, logits.shape[1]), 1).values
    return (top[:, 0] - top[:, 2:].mean(1)).clamp_min(TINY)
