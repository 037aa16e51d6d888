"""APGD: projected gradient ascent whose step size follows from how the climb goes.

Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks", algorithm 1. The step size begins at twice the radius. At each checkpoint
it is halved, and the climb goes on from the best point so far, where too few of the steps since the
last checkpoint gained, or where the best has not changed although the step size had not either. A
step carries a quarter of the one before along.

The checkpoints are those of the paper; whether steps gained is counted from the first on, and the
share that suffices is that of the authors' code (more than `rho`). The projection onto ball and box
is the exact one. The objective is only compared and its gradient only followed, so the
cross-entropy is climbed as its log-odds, see `attacks.objectives`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.active import Evaluation, Outcome, State, Streams, fresh
from attacks.dlr import dlr, targeted_dlr
from attacks.norms import per_example, project, steepest, unit, unit_peak
from attacks.objectives import log_odds
from attacks.recipes import Recipe
from attacks.task import Task
from core import randomness

CARRIED = 0.25
FIRST_STEP = 2.0


def make(task: Task) -> Outcome:
    """Make the examples of an `apgd` or `apgdt` recipe."""
    return task.run(Apgd(task.recipe))


def checkpoints(steps: int) -> list[int]:
    """The numbers of steps after which the step size is looked at, rising, the last is `steps`.

    >>> checkpoints(100)
    [22, 41, 57, 70, 80, 87, 93, 99, 100]
    """
    shares = [0, 22]
    while shares[-1] < 100:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 3, 6))
    # Whole hundredths and a ceiling of whole numbers: 0.57 * 100 is more than 57 in floats.
    return sorted({min(-(-share * steps // 100), steps) for share in shares[1:]})


@dataclass
class Ascent(State):
    """APGD's state; all but `run` and `ranks` begin anew with each run.

    Attributes:
        run: `(b,)` which run, or -1 at the image itself.
        step: `(b,)` gradient steps taken in this run.
        size: `(b,)` the step size.
        value: `(b,)` the objective at the point before.
        before: `(b, ...)` where the last step began.
        top: `(b, ...)` where this run's objective is largest so far.
        top_value: `(b,)` the objective there.
        top_gradient: `(b, ...)` its gradient there.
        gains: `(b,)` steps that gained since the last checkpoint.
        top_then: `(b,)` the largest objective as it was at the last checkpoint.
        halved: `(b,)` whether the step size was halved there; true before the first.
        rivals: `(b,)` the class that is climbed towards.
        ranks: `(b, targets)` the classes to climb towards; no column where there are none.
    """

    run: Tensor
    step: Tensor
    size: Tensor
    value: Tensor
    before: Tensor
    top: Tensor
    top_value: Tensor
    top_gradient: Tensor
    gains: Tensor
    top_then: Tensor
    halved: Tensor
    rivals: Tensor
    ranks: Tensor


class Apgd:
    """APGD with an active set: an example stops at its first success.

    Cost per example that is never fooled: `runs * (steps + 1) + 1` forward passes, the clean one
    among them, and `runs * steps` backward passes, with `restarts` runs for each target class, or
    `restarts` runs in all where no class is aimed at. Gradients from noisy classifiers cost
    `runs * steps` forward passes more.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.norm: str = recipe["norm"]
        self.eps: float = recipe["eps"]
        self.steps: int = recipe["steps"]
        self.rho: float = recipe["rho"]
        self.restarts: int = recipe["restarts"]
        self.targets: int = recipe.get("targets", 0)
        self.targeted: bool = recipe.get("targeted", False)
        # The targets are read off the clean logits; without targets nothing is asked of the image.
        self.from_image: bool = bool(self.targets)
        self.purpose: str = recipe.name
        climbs = recipe.get("objective", "dlr")
        self.rises = dlr if climbs == "dlr" else log_odds
        self.checks = checkpoints(self.steps)
        self._streams: Streams

    def begin(self, rows: Tensor, images: Tensor, references: Tensor, streams: Streams) -> Ascent:
        """Start at a random point, or have a look at the image first."""
        self._streams = streams
        unknown = torch.full_like(rows, float("-inf"), dtype=images.dtype)
        state = Ascent(
            **fresh(rows, images, references),
            run=torch.full_like(rows, -1),
            step=torch.zeros_like(rows),
            size=torch.full_like(unknown, FIRST_STEP * self.eps),
            value=unknown,
            before=images,
            top=images,
            top_value=unknown,
            top_gradient=torch.zeros_like(images),
            gains=torch.zeros_like(rows),
            top_then=unknown,
            halved=torch.ones_like(rows, dtype=torch.bool),
            rivals=references,
            ranks=rows.new_zeros((len(rows), self.targets)),
        )
        if self.from_image:
            state.last = torch.ones_like(state.last)
        else:
            self.begin_run(state, torch.ones_like(state.done))
        return state

    def draw(self, state: State) -> int:
        """Every step of every run has its noisy classifier."""
        assert isinstance(state, Ascent)
        return int(state.run[0]) * self.steps + int(state.step[0])

    def judged(self, state: State) -> bool:
        """The step size follows from the reference's objective: it judges every point."""
        return True

    def climbed(self, state: State, logits: Tensor) -> Tensor:
        """The objective of the recipe."""
        assert isinstance(state, Ascent)
        if self.targets:
            return targeted_dlr(logits, state.references, state.rivals)
        value = self.rises(logits, state.references)
        return -value if self.targeted else value

    def advance(self, state: State, found: Evaluation) -> None:
        """Keep the best point, adapt the step size, and take the next step or begin a run."""
        assert isinstance(state, Ascent)
        looking = state.run < 0
        if bool(looking.any()):
            self.rank(state, found, looking)
        # The objectives of several targets do not compare, but the leads over the label do.
        scores = found.leads if self.targets else found.values
        better = (found.won & ~state.best_won) | (
            (found.won == state.best_won) & (scores > state.best_score)
        )
        state.keep(better & ~looking, scores, found)
        self.note(state, found)
        back = self.check(state)
        ended = looking | (state.step == self.steps)
        runs = self.restarts * max(self.class_targets(found), 1)
        state.done = ~looking & (found.won | (ended & (state.run == runs - 1)))
        here = torch.where(per_example(back, state.top), state.top, state.points)
        gradients = torch.where(per_example(back, state.top), state.top_gradient, found.gradients)
        ahead = self.next_points(state, here, gradients)
        state.before, state.points = here, ahead
        state.step = state.step + 1
        again = ended & ~state.done
        if bool(again.any()):
            self.begin_run(state, again)
        state.last = state.step == self.steps

    def class_targets(self, found: Evaluation) -> int:
        """How many classes are aimed at."""
        return min(self.targets, found.logits.shape[1] - 1)

    def rank(self, state: Ascent, found: Evaluation, looking: Tensor) -> None:
        """Note the classes with the largest logits, the label aside."""
        others = found.logits.scatter(1, state.references.unsqueeze(1), -torch.inf)
        ranked = others.topk(self.class_targets(found), 1).indices
        state.ranks = state.ranks.clone()
        state.ranks[looking, : ranked.shape[1]] = ranked[looking]

    def note(self, state: Ascent, found: Evaluation) -> None:
        """Note whether the step just taken gained, and where the run's objective is largest."""
        began = state.step == 0
        state.gains = state.gains + (~began & (found.values > state.value))
        state.value = found.values
        higher = began | (found.values > state.top_value)
        wide = per_example(higher, state.top)
        state.top = torch.where(wide, state.points, state.top)
        state.top_gradient = torch.where(wide, found.gradients, state.top_gradient)
        state.top_value = torch.where(higher, found.values, state.top_value)
        state.top_then = torch.where(began, found.values, state.top_then)

    def check(self, state: Ascent) -> Tensor:
        """Halve the step size where a checkpoint calls for it; return these rows."""
        checks = torch.tensor([0, *self.checks]).to(state.step)
        at = (state.step.unsqueeze(1) == checks[1:]).any(1)
        if not bool(at.any()):
            return at
        place = torch.searchsorted(checks, state.step.clamp_min(1))
        since = state.step - checks[place - 1]
        few = state.gains <= self.rho * since
        stuck = ~state.halved & (state.top_then >= state.top_value)
        halved = at & (few | stuck)
        state.size = torch.where(halved, state.size / 2, state.size)
        state.halved = torch.where(at, few | stuck, state.halved)
        state.top_then = torch.where(at, state.top_value, state.top_then)
        state.gains = torch.where(at, 0, state.gains)
        return halved

    def next_points(self, state: Ascent, here: Tensor, gradients: Tensor) -> Tensor:
        """The step along the gradient, projected; then a part of it, and of the step before."""
        step = per_example(state.size, here) * steepest(gradients, self.norm)
        target = self.projected(here + step, state.images)
        share = per_example(torch.where(state.step == 0, 1.0, 1 - CARRIED).to(here), here)
        ahead = here + share * (target - here) + (1 - share) * (here - state.before)
        return self.projected(ahead, state.images)

    def projected(self, points: Tensor, images: Tensor) -> Tensor:
        """Return the nearest points of ball and box."""
        radii = torch.full_like(images.flatten(1)[:, 0], self.eps)
        return project(points, images, radii, self.norm)

    def begin_run(self, state: Ascent, which: Tensor) -> None:
        """Set these rows at the random start of their next run."""
        state.run = state.run + which
        points = state.points.clone()
        for run in state.run[which].unique().tolist():
            rows = which & (state.run == run)
            points[rows] = self.start(state.rows[rows], state.images[rows], run)
        state.points = points
        state.step = torch.where(which, 0, state.step)
        state.size = torch.where(which, FIRST_STEP * self.eps, state.size)
        state.gains = torch.where(which, 0, state.gains)
        state.halved = state.halved | which
        if self.targets:
            place = (state.run // self.restarts).clamp(0, self.targets - 1)
            rivals = state.ranks.gather(1, place.unsqueeze(1)).squeeze(1)
            state.rivals = torch.where(which, rivals, state.rivals)

    def start(self, rows: Tensor, images: Tensor, run: int) -> Tensor:
        """Draw points on the ball's surface, as AutoAttack does, brought into the box."""
        streams = self._streams(rows, f"{self.purpose} start {run}")
        shape = images.shape[1:]
        if self.norm == "linf":
            offsets = unit_peak(2 * randomness.uniform(streams, shape, images) - 1)
        else:
            offsets = unit(randomness.normal(streams, shape, images))
        return self.projected(images + self.eps * offsets, images)
