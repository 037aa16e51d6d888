"""The control: a random step of a given length.

Groups of examples are compared with it to tell what an attack found from what any step of that
length does. The step stays in the box and keeps its length: a component that would leave the box
has its sign flipped (towards the side with more room), and one that has room on neither side stops
at the box while the others are lengthened. Only a length that no point of the reachable corner of
the box has falls short; `verify` reports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from attacks.active import Evaluation, Outcome, State, Streams, fresh
from attacks.norms import fit, lengths, per_example, rooms, unit
from attacks.objectives import log_odds
from attacks.task import Task
from attacks.uniform import on_cross_polytope
from core import randomness


def make(task: Task) -> Outcome:
    """Make the noise control of a recipe, or noise of the length that the recipe says."""
    recipe, like, images = task.recipe, task.like, task.images
    if like is None:
        norm, radii = recipe["norm"], torch.full_like(images.flatten(1)[:, 0], recipe["eps"])
    else:
        norm = like.recipe["norm"]
        radii = lengths(like.images - images, norm)
    return replace(task.run(Noise(norm, radii)), radii=radii)


def random_steps(
    images: Tensor, radii: Tensor, norm: str, streams: Sequence[np.random.Generator]
) -> Tensor:
    """Draw a random step for each image, of the given length, inside the box.

    Args:
        images: `(n, ...)` in the box.
        radii: `(n,)` lengths, in input units.
        norm: `linf`: every component moves by the length, with a fair sign; `l2`, `l1`: the
            direction is uniform on the sphere of that norm.
        streams: the random numbers of each image, see `core.randomness.generators`.

    Returns:
        `(n, ...)` steps, to be added to the images.

    >>> dark, radii = torch.full((1, 4), 0.1), torch.tensor([0.5])
    >>> random_steps(dark, radii, "linf", randomness.generators(0, ["a"], "noise control"))
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """
    shape = images.shape[1:]
    reach = per_example(radii, images)
    if norm == "linf":
        signs = randomness.signs(streams, shape, images)
        towards = turned(images, signs, reach)
        return torch.minimum(reach, rooms(images, towards)) * towards
    if norm == "l1":
        directions = on_cross_polytope(streams, images)
    else:
        directions = unit(randomness.normal(streams, shape, images))
    towards = turned(images, directions.sign(), reach * directions.abs())
    return fit(images, directions.abs() * towards, radii, norm)


def turned(images: Tensor, signs: Tensor, moves: Tensor) -> Tensor:
    """Flip the signs of moves that would leave the box and have more room on the other side."""
    room = rooms(images, signs)
    return torch.where((moves > room) & (room < 0.5), -signs, signs)


class Noise:
    """The noise control as an attack: one random step, evaluated once; it climbs nothing."""

    targeted = False
    from_image = False

    def __init__(self, norm: str, radii: Tensor) -> None:
        self.norm = norm
        self.radii = radii

    def begin(self, rows: Tensor, images: Tensor, references: Tensor, streams: Streams) -> State:
        """Take the random step."""
        state = State(**fresh(rows, images, references))
        radii = self.radii.to(images)[rows]
        steps = random_steps(images, radii, self.norm, streams(rows, "noise control"))
        state.points = (images + steps).clamp(0, 1)
        state.last = torch.ones_like(state.last)
        return state

    def climbed(self, state: State, logits: Tensor) -> Tensor:
        """The log-odds against the label; reported, not climbed."""
        return log_odds(logits, state.references)

    def advance(self, state: State, found: Evaluation) -> None:
        """Keep the one point there is."""
        state.keep(torch.ones_like(found.won), found.values, found)
        state.done = torch.ones_like(state.done)
