"""Gradient ascent inside a ball: FGSM, PGD, and what else `ascend` can be told.

Goodfellow et al. 2015, "Explaining and harnessing adversarial examples"; Madry et al. 2018,
"Towards deep learning models resistant to adversarial attacks"; momentum: Dong et al. 2018,
"Boosting adversarial attacks with momentum". FGSM is PGD's first step from the image, of full
length. With `langevin` the walk is that of unadjusted Langevin dynamics on the ball: from `x`, with
the step `d`, the schedule's share `c` and standard normal `z`,

    x' = projection(x + c d + sqrt(c) langevin z).

With `optimiser=plain` and `step_size` a, the noise is that of the temperature `langevin^2 / (2 a)`,
at which the density climbs as `exp(objective / temperature)`, and the schedule leaves it as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from attacks.active import Evaluation, Outcome, State, Streams, fresh
from attacks.expectation import evaluated_in_expectation
from attacks.forms.gradient import STEPS, in_lockstep
from attacks.norms import per_example, project
from attacks.objectives import objective
from attacks.optimisers import Memory, factory_of, step_along, torch_step
from attacks.recipes import Recipe
from attacks.task import Task
from attacks.trajectories import Recorder, Stretch
from attacks.transforms import transform
from attacks.uniform import in_ball
from core import randomness

GAIN = 0.01
LAST = 0.1


def make(task: Task) -> Outcome:
    """Make the examples of an `fgsm` or `pgd` recipe."""
    attack = GradientAscent(task.recipe, task.labels.to(task.device), task.images.ndim)
    if task.record is not None:
        attack.recorder = Recorder(task.record, task.images, attack.stretches(), attack.norm)
    evaluate = None
    if attack.expects:
        evaluate = partial(evaluated_in_expectation, task.noisy_classifier())
    lockstep = in_lockstep(dict(task.recipe.settings)) is not None
    outcome = task.run(attack, evaluate, lockstep)
    if attack.recorder is None:
        return outcome
    right = outcome.clean_predictions == task.labels
    return replace(outcome, trajectories=attack.recorder.trajectories(right))


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


@dataclass
class Led(Climb):
    """The state of a climb led by an optimiser of torch; its batch goes in lockstep.

    Attributes:
        memory: what the optimiser remembers.
    """

    memory: Memory


class GradientAscent:
    """PGD with an active set: an example stops at its first success, unless told otherwise.

    Cost per example that is never fooled, with `s` samples: `restarts * (steps * s + 1)` forward
    and `restarts * steps * s` backward passes, and one forward pass for the clean prediction if it
    starts at random or its gradients are not those of the classifier at the image (noisy
    classifiers, transforms). With these and `stop`, `restarts * steps` forward passes of the
    reference at the image are added, less one if it starts there.

    Args:
        recipe: of `pgd` or `fgsm`; functions may stand in it for an objective, optimiser, schedule
            or transform.
        labels: `(n,)` of all examples, for objectives that need them beside a target.
        ndim: of the images, the batch's axis among them.

    Raises:
        InputError: the optimiser cannot be used.
    """

    def __init__(self, recipe: Recipe, labels: Tensor, ndim: int) -> None:
        self.norm: str = recipe["norm"]
        self.eps: float = recipe["eps"]
        self.steps: int = recipe.get("steps", 1)
        self.step_size: float = recipe.get("step_size", self.eps)
        self.restarts: int = recipe.get("restarts", 1)
        self.stop: bool = recipe.get("stop", False)
        self.patience: int = recipe.get("patience", 0)
        self.schedule = recipe.get("schedule", "constant")
        self.momentum: float = recipe.get("momentum", 0.0)
        self.langevin: float = recipe.get("langevin", 0.0)
        self.targeted: bool = recipe["targeted"]
        self.random_start: bool = recipe.get("random_start", False)
        self.samples: int = recipe.get("samples", 1)
        self.transform = transform(recipe.get("transform"), recipe.get("transform_scale"))
        self.expects = self.transform is not None or self.samples > 1
        # The clean evaluation is that of the reference at the image; these climb another gradient.
        ordinary = not self.expects and recipe["noisy"] is None
        self.from_image: bool = not self.random_start and ordinary
        self.optimiser = recipe.get("optimiser", "steepest")
        ours = self.optimiser in STEPS
        self.factory = None if ours else factory_of(self.optimiser, self.momentum, ndim)
        # A gradient's size counts where it is the step's, or weighs in a mean.
        scaled = not ours or self.optimiser == "plain" or self.samples > 1
        chosen = recipe.get("objective", "cross_entropy")
        self.objective = objective(chosen, self.targeted, scaled)
        self.labels = labels
        self.recorder: Recorder | None = None
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
        if self.factory is not None:
            state = Led(**vars(state), memory=Memory())
        if self.random_start:
            state.points = self.start(rows, images, 0)
        return state

    def start(self, rows: Tensor, images: Tensor, run: int) -> Tensor:
        """Draw points uniformly from the ball, brought into the box."""
        streams = self._streams(rows, f"attack start {run}")
        offsets = in_ball(streams, images, self.norm)
        return self.projected(images + self.eps * offsets, images)

    def projected(self, points: Tensor, images: Tensor) -> Tensor:
        """Return the nearest points of ball and box."""
        radii = torch.full_like(images.flatten(1)[:, 0], self.eps)
        return project(points, images, radii, self.norm)

    def stretches(self) -> list[Stretch]:
        """Return the runs, with what is spent on each."""
        each = self.samples
        return [
            Stretch(run, self.steps, run * self.steps * each, each) for run in range(self.restarts)
        ]

    def draw(self, state: State, sample: int = 0) -> int:
        """Every sample of every step of every run has its noisy classifier."""
        assert isinstance(state, Climb)
        step = int(state.run[0]) * self.steps + int(state.step[0])
        return step * self.samples + sample

    def streams(self, state: State, purpose: str) -> list[np.random.Generator]:
        """Return each row's random numbers of its present step."""
        assert isinstance(state, Climb)
        return [
            self._streams(row, f"{purpose}, run {run}, step {step}")[0]
            for row, run, step in zip(
                state.rows.split(1), state.run.tolist(), state.step.tolist(), strict=True
            )
        ]

    def seen(self, state: State, points: Tensor, sample: int) -> Tensor:
        """Return the points as a sample's classifier sees them."""
        if self.transform is None:
            return points
        return self.transform(points, self.streams(state, f"transform {sample}"))

    def judged(self, state: State) -> bool:
        """With `stop` every point is judged; the image itself was when it joined the batch."""
        assert isinstance(state, Climb)
        return self.stop and (self.random_start or int(state.step[0]) > 0)

    def climbed(self, state: State, logits: Tensor) -> Tensor:
        """The objective of the recipe."""
        return self.objective(logits, state.references, self.labels[state.rows])

    def advance(self, state: State, found: Evaluation) -> None:
        """Keep the best point, then take the next step, begin the next run, or be done."""
        assert isinstance(state, Climb)
        if self.recorder is not None:
            self.recorder.note(state.rows, state.run, state.step, state.images, state.points, found)
        # The image itself is where the climb starts, not what it makes.
        made = torch.ones_like(found.won) if self.random_start else state.step > 0
        more = (found.won == state.best_won) & (found.values > state.best_score)
        state.keep(made & ((found.won & ~state.best_won) | more), found.values, found)
        ended = (state.step == self.steps) | self.given_up(state, found)
        state.done = ended & (state.run == self.restarts - 1)
        if self.stop:
            state.done |= found.won & made
        if not bool(state.done.all()):
            points = self.next_points(state, found.gradients)
            state.points = self.projected(points, state.images)
        state.step = state.step + 1
        again = ended & ~state.done
        if bool(again.any()):
            self.restart(state, again)
        state.last = state.step == self.steps

    def next_points(self, state: Climb, gradients: Tensor) -> Tensor:
        """Return where the step along the gradient leads, with its noise, before projection."""
        shares = self.shares(state.step).to(gradients)
        if self.factory is None:
            direction = self.direction(state, gradients)
            sizes = self.step_size * shares
            points = state.points + step_along(
                self.optimiser, self.norm, state.points, direction, sizes
            )
        else:
            assert isinstance(state, Led)
            begins = int(state.step[0]) == 0
            # What the optimiser moves is the step, so that weight decay leads to the image.
            moved, state.memory = torch_step(
                self.factory,
                Memory() if begins else state.memory,
                state.points - state.images,
                gradients,
                self.step_size * float(shares[0]),
            )
            points = state.images + moved
        if not self.langevin:
            return points
        noise = randomness.normal(self.streams(state, "langevin"), points.shape[1:], points)
        return points + per_example(self.langevin * shares.sqrt(), points) * noise

    def direction(self, state: Climb, gradients: Tensor) -> Tensor:
        """Return the gradient, or its sum with the momentum."""
        if not self.momentum:
            return gradients
        scaled = gradients
        if self.optimiser != "plain":
            size = per_example(gradients.abs().flatten(1).sum(1), gradients)
            scaled = gradients / size.clamp_min(torch.finfo(size.dtype).tiny)
        before = torch.where(per_example(state.step == 0, gradients), 0, state.velocity)
        state.velocity = self.momentum * before + scaled
        return state.velocity

    def shares(self, step: Tensor) -> Tensor:
        """Return the share of the first step's length that each row's step has, `(b,)`."""
        if callable(self.schedule):
            return self.schedule(step / self.steps)
        if self.schedule == "constant":
            return torch.ones_like(step, dtype=torch.float64)
        return LAST + (1 - LAST) * (1 + torch.cos(math.pi * step / self.steps)) / 2

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
