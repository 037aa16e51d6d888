"""The examples that a study draws, and what the planes through them pass through.

An example is drawn where the classifier gets it right and the attack fooled it; the first of them
are taken, in the order of the study. Where no attack fooled any, the first that are right are, with
the planes that need no twin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Scene:
    """One example with what a plane may pass through.

    Attributes:
        id: of the example.
        image: `(1, c, h, w)`.
        label: the true class, which the classifier predicts.
        twin: `(1, c, h, w)`, None where no attack fooled the classifier.
        other: a genuine image of another class, correctly classified; None where there is none.
        other_id: its id.
    """

    id: str
    image: Tensor
    label: int
    twin: Tensor | None
    other: Tensor | None
    other_id: str


def choose(
    images: Tensor,
    labels: Tensor,
    right: Tensor,
    taken: Mapping[int, int],
    attacked: int,
    count: int,
) -> list[tuple[int, int]]:
    """Choose the examples to be drawn, and to each the other image that its plane passes through.

    The other image is, of those that are classified correctly, the nearest of the class that the
    twin is taken for; where there is none, the nearest of a third class.

    Args:
        images: `(n, c, h, w)`, the attacked ones first, then further genuine ones.
        labels: `(n,)` the true classes.
        right: `(n,)` whether the classifier predicts them.
        taken: place of an image that was fooled -> the class that its twin is taken for.
        attacked: how many are attacked.
        count: at most so many examples.

    Returns:
        The place of each example, and that of the other image, -1 where there is none.
    """
    candidates = [i for i in range(attacked) if right[i] and (i in taken or not taken)]
    found = []
    for i in candidates[:count]:
        other = -1
        if i in taken:
            for fits in (right & (labels == taken[i]), right & (labels != labels[i])):
                places = fits.nonzero().squeeze(1)
                if len(places) and other < 0:
                    away = (images[places] - images[i]).flatten(1).norm(dim=1)
                    other = int(places[away.argmin()])
        found.append((i, other))
    return found
