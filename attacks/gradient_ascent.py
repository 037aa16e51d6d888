"""FGSM and PGD: steps of given length along the gradient, projected onto the ball and the box.

Goodfellow et al. 2015, "Explaining and harnessing adversarial examples"; Madry et al. 2018,
"Towards deep learning models resistant to adversarial attacks"; momentum: Dong et al. 2018,
"Boosting adversarial attacks with momentum". FGSM is PGD's first step from the image, of full
length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.active import Evaluation, Outcome, State, Streams, fresh
from attacks.norms import per_example, project, steepest, unit
from attacks.objectives import Objective, objective
from attacks.recipes import Recipe
from attacks.task import Task
from core import randomness

GAIN = 0.01
LAST = 0.1


def make(task: Task) -> Outcome:
    """Make the examples of an `fgsm` or `pgd` recipe."""
    return task.run(GradientAscent(task.recipe))


@dataclass
class Climb(State):
    """PGD's state.

    Attributes:
        step: `(b,)` gradient steps taken in this run.
        run: `(b,)` which run.
        first: `(b,)` the objective where this run began.
        mark: `(b,)` the objective when it last gained markedly.
        stalled: `(b,)` steps since then.
        velocity: `(b, ...)` the direction with its momentum.
    """

    step: Tensor
    run: Tensor
    first: Tensor
    mark: Tensor
    stalled: Tensor
    velocity: Tensor


class GradientAscent:
    """PGD with an active set: an example stops at its first success, unless told otherwise.

    Cost per example that is never fooled: `restarts * (steps + 1)` forward and `restarts * steps`
    backward passes, and one forward pass for the clean prediction if it starts at random or its
    gradients come from noisy classifiers. With these and `stop`, `restarts * steps` forward passes
    of the reference are added, less one if it starts at the image.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.norm: str = recipe["norm"]
        self.eps: float = recipe["eps"]
        self.steps: int = recipe.get("steps", 1)
        self.step_size: float = recipe.get("step_size", self.eps)
        self.restarts: int = recipe.get("restarts", 1)
        self.stop: bool = recipe.get("stop", False)
        self.patience: int = recipe.get("patience", 0)
        self.cosine: bool = recipe.get("schedule") == "cosine"
        self.momentum: float = recipe.get("momentum", 0.0)
        self.targeted: bool = recipe["targeted"]
        self.random_start: bool = recipe.get("random_start", False)
        # The clean evaluation is the reference's: its gradient is not the noisy classifier's.
        self.from_image: bool = not self.random_start and recipe["noisy"] is None
        self.objective: Objective = objective(
            recipe.get("objective", "cross_entropy"), self.targeted
        )
        self._streams: Streams

    def begin(self, rows: Tensor, images: Tensor, references: Tensor, streams: Streams) -> Climb:
        """Start at the image, or at a point drawn uniformly from the ball."""
        self._streams = streams
        zero = torch.zeros_like(rows)
        unknown = torch.zeros_like(rows, dtype=images.dtype)
        state = Climb(
            **fresh(rows, images, references),
            step=zero,
            run=zero.clone(),
            first=unknown,
            mark=unknown.clone(),
            stalled=zero.clone(),
            velocity=torch.zeros_like(images),
        )
        if self.random_start:
            state.points = self.start(rows, images, 0)
        return state

    def start(self, rows: Tensor, images: Tensor, run: int) -> Tensor:
        """Draw points uniformly from the ball, brought into the box."""
        streams = self._streams(rows, f"attack start {run}")
        shape = images.shape[1:]
        if self.norm == "linf":
            offsets = 2 * randomness.uniform(streams, shape, images) - 1
        else:
            directions = unit(randomness.normal(streams, shape, images))
            share = randomness.uniform(streams, (), images) ** (1 / shape.numel())
            offsets = per_example(share, images) * directions
        return self.projected(images + self.eps * offsets, images)

    def projected(self, points: Tensor, images: Tensor) -> Tensor:
        """Return the nearest points of ball and box."""
        radii = torch.full_like(images.flatten(1)[:, 0], self.eps)
        return project(points, images, radii, self.norm)

    def draw(self, state: State) -> int:
        """Every step of every run has its noisy classifier."""
        assert isinstance(state, Climb)
        return int(state.run[0]) * self.steps + int(state.step[0])

    def judged(self, state: State) -> bool:
        """With `stop` every point is judged; the image itself was when it joined the batch."""
        assert isinstance(state, Climb)
        return self.stop and (self.random_start or int(state.step[0]) > 0)

    def climbed(self, state: State, logits: Tensor) -> Tensor:
        """The objective of the recipe."""
        return self.objective(logits, state.references)

    def advance(self, state: State, found: Evaluation) -> None:
        """Keep the best point, then take the next step, begin the next run, or be done."""
        assert isinstance(state, Climb)
        # The image itself is where the climb starts, not what it makes.
        made = torch.ones_like(found.won) if self.random_start else state.step > 0
        more = (found.won == state.best_won) & (found.values > state.best_score)
        state.keep(made & ((found.won & ~state.best_won) | more), found.values, found)
        ended = (state.step == self.steps) | self.given_up(state, found)
        state.done = ended & (state.run == self.restarts - 1)
        if self.stop:
            state.done |= found.won & made
        step = self.next_step(state, found.gradients)
        state.points = self.projected(state.points + step, state.images)
        state.step = state.step + 1
        again = ended & ~state.done
        if bool(again.any()):
            self.restart(state, again)
        state.last = state.step == self.steps

    def next_step(self, state: Climb, gradients: Tensor) -> Tensor:
        """Return the step along the gradient, or along its sum with the momentum."""
        direction = gradients
        if self.momentum:
            fresh_start = per_example(state.step == 0, gradients)
            size = per_example(gradients.abs().flatten(1).sum(1), gradients)
            scaled = gradients / size.clamp_min(torch.finfo(size.dtype).tiny)
            before = torch.where(fresh_start, 0, state.velocity)
            direction = state.velocity = self.momentum * before + scaled
        step = self.step_size * steepest(direction, self.norm)
        if not self.cosine:
            return step
        share = LAST + (1 - LAST) * (1 + torch.cos(math.pi * state.step / self.steps)) / 2
        return per_example(share.to(step), step) * step

    def given_up(self, state: Climb, found: Evaluation) -> Tensor:
        """Return which runs have gained next to nothing for as many steps as patience lasts."""
        begins = state.step == 0
        state.first = torch.where(begins, found.values, state.first)
        gain = GAIN * (state.mark - state.first)
        marked = begins | (found.values > state.mark + gain)
        state.mark = torch.where(marked, found.values, state.mark)
        state.stalled = torch.where(marked, 0, state.stalled + 1)
        if not self.patience:
            return torch.zeros_like(begins)
        return ~found.won & (state.stalled >= self.patience)

    def restart(self, state: Climb, again: Tensor) -> None:
        """Set these rows at the random start of their next run."""
        state.run = state.run + again
        state.step = torch.where(again, 0, state.step)
        points = state.points.clone()
        for run in state.run[again].unique().tolist():
            which = again & (state.run == run)
            points[which] = self.start(state.rows[which], state.images[which], run)
        state.points = points
