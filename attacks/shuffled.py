"""A control: every image is given the step that an attack found for another image.

The step is as long, and as adversarial for an image of its class, as the attack's own; it only does
not belong to this image. What fools in spite of that is not specific to the image.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attacks.active import Outcome, State, Streams, fresh
from attacks.noise import Noise
from attacks.task import Task


def make(task: Task) -> Outcome:
    """Give each image the step of its partner, see `partners`; one that has none stays as it is.

    Unlike other recipes, the result of an image depends on which images it is crafted with.
    """
    like = task.like
    assert like is not None
    own = partners(task.labels, like.clean_correct)
    steps = (like.images - task.images)[own.clamp_min(0)]
    steps[own < 0] = 0
    return task.run(Shuffled(like.recipe["norm"], steps))


def partners(labels: Tensor, usable: Tensor) -> Tensor:
    """Return for each image the next usable one of another class, around the end; -1: none.

    Args:
        labels: `(n,)`.
        usable: `(n,)` whether an image has a step to give.

    Returns:
        `(n,)` positions.

    >>> partners(torch.tensor([0, 0, 1, 2]), torch.tensor([True, True, True, False])).tolist()
    [2, 2, 0, 0]
    """
    count = len(labels)
    if not count:
        return labels.new_empty(0)
    ahead = (torch.arange(count)[None, :] - torch.arange(count)[:, None]) % count
    other = (labels[None, :] != labels[:, None]) & usable.to(labels.device)[None, :]
    distance = torch.where(other.cpu(), ahead, count)
    nearest = distance.min(1)
    return torch.where(nearest.values < count, nearest.indices, -1).to(labels)


class Shuffled(Noise):
    """The control as an attack: one given step, evaluated once; it climbs nothing."""

    def __init__(self, norm: str, steps: Tensor) -> None:
        super().__init__(norm, torch.empty(0))
        self.steps = steps

    def begin(self, rows: Tensor, images: Tensor, references: Tensor, streams: Streams) -> State:
        """Take the given step, cut at the box."""
        state = State(**fresh(rows, images, references))
        state.points = (images + self.steps.to(images)[rows.to(self.steps.device)]).clamp(0, 1)
        state.last = torch.ones_like(state.last)
        return state
