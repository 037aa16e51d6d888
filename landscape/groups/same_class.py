"""The same-class control: genuine images that are, but for the deceit, like adversarial ones.

What is special about an adversarial example may be no more than its confidence, its class, or that
gradients moved it. So each is given a control: a genuine image of the class that it is taken for,
which shortest gradient steps, up or down, bring to its very loss. Same class, same confidence, the
same kind of step; but the class is the image's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.randomness import generator
from landscape.loss import Loss
from landscape.push import CLOSE, pushed_to
from landscape.rows import Rows

_NAME = "same_class"


def control_of(group: str) -> str:
    """Return what the control of a group is called.

    >>> control_of("fgsm(eps=0.1)")
    'same_class(like=fgsm(eps=0.1))'
    """
    return f"{_NAME}(like={group})"


def is_same_class(group: str) -> bool:
    """Say whether a group is such a control."""
    return re.fullmatch(rf"{_NAME}\(like=.*\)", group) is not None


def controlled(group: str) -> str:
    """Return the group that a control belongs to.

    >>> controlled(control_of("fgsm(eps=0.1)"))
    'fgsm(eps=0.1)'
    """
    return group.removeprefix(f"{_NAME}(like=").removesuffix(")")


@dataclass(frozen=True)
class Controls:
    """Control images, one for each adversarial example.

    Attributes:
        images: `(n, ...)` in [0, 1].
        reached: `(n,)` whether the loss is the one asked for, up to a share of 1e-3 of it, and the
            class still predicted.
    """

    images: Tensor
    reached: Tensor


def donors(
    classes: Sequence[int],
    ids: Sequence[str],
    genuine_classes: Sequence[int],
    genuine_ids: Sequence[str],
    *,
    seed: int = 0,
) -> list[int]:
    """Choose a genuine image for each adversarial example: of its class, not its own.

    At random, and none serves twice before each of its class has served. The choice depends on the
    seed and on all ids, not on their order.

    Args:
        classes: what each adversarial example is taken for.
        ids: of the adversarial examples.
        genuine_classes: of the genuine images, which have to be classified correctly.
        genuine_ids: of the genuine images.
        seed: of the choice.

    Returns:
        The place of each one's image among the genuine ones, or -1 where there is none.

    >>> donors([0, 0, 1], ["a", "b", "c"], [0, 0, 1], ["a", "b", "c"])
    [1, 0, -1]
    """
    rank = [float(generator(seed, i, "donor").random()) for i in genuine_ids]
    turn = [float(generator(seed, i, "turn").random()) for i in ids]
    of_class: dict[int, list[int]] = {}
    for place, own in enumerate(genuine_classes):
        of_class.setdefault(int(own), []).append(place)
    served = [0] * len(genuine_ids)
    chosen = [-1] * len(ids)
    for i in sorted(range(len(ids)), key=lambda i: (turn[i], ids[i])):
        fit = [g for g in of_class.get(int(classes[i]), []) if genuine_ids[g] != ids[i]]
        if fit:
            chosen[i] = min(fit, key=lambda g: (served[g], rank[g]))
            served[chosen[i]] += 1
    return chosen


def same_class_controls(
    loss: Loss, genuine: Tensor, adversarial: Tensor, *, steps: int = 30, batch_size: int = 256
) -> Controls:
    """Push genuine images to the losses of adversarial examples of their class.

    Args:
        loss: the cross-entropy of the class that each adversarial example is taken for, which is
            that of its genuine image, too.
        genuine: `(n, ...)` in [0, 1], classified correctly.
        adversarial: `(n, ...)`, whose losses are to be reached.
        steps: at most this many gradients per example.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Cost: two forward passes and at most `steps` gradients per example.
    """
    everyone = torch.arange(len(genuine))
    rows = Rows(loss, len(genuine), batch_size)
    level = rows.values(adversarial, everyone)
    images = pushed_to(loss, genuine, level, steps=steps, batch_size=batch_size)
    close = (rows.values(images, everyone) - level).abs() <= 2 * CLOSE * level
    with torch.no_grad():
        kept = [
            loss.select(part).kept(loss.logits(images[part])) for part in everyone.split(batch_size)
        ]
    own = torch.cat(kept).cpu() if kept else torch.zeros(0, dtype=torch.bool)
    return Controls(images, close & own)
