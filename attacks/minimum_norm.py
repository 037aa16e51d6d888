"""The nearest misclassified point in l2 or linf.

First the other classes are probed at the image: the gradient of each one's lead over the label
gives its distance in the linearisation, box included. Then a walk is run from the image towards
each of the two that seem nearest, and the nearest point that wins is kept.

A walk's direction is that of DDN (Rony et al. 2019, "Decoupling direction and norm") and FMN
(Pintor et al. 2021, "Fast minimum-norm adversarial attacks through adaptive norm constraints"): on
the sphere of the current radius the step leans by an annealed share towards the gradient of the
lead in logits. The radius goes, within an annealed factor, to where the linearisation along the
step meets the boundary; after two wins in a row it may go in by a quarter, because on images far
from the boundary the search for a first win goes several times too far. Share and factor have no
unit, so no setting depends on the scale of the images; and a step that meets the box is clipped
*and* lengthened, so that pixels at 0 and 1 move where this helps. For a linear classifier the
result is the exact projection, box included.

What depends on the norm is in `attacks.spheres` and `attacks.norms.reach`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from attacks.active import Evaluation, Outcome, State, Streams, fresh
from attacks.norms import lengths, per_example, reach, unit
from attacks.objectives import lead
from attacks.recipes import Recipe
from attacks.spheres import leaned, slope
from attacks.task import Task
from attacks.trajectories import Recorder, Stretch
from core import randomness

PROBES = 9
WALKS = 2
LEAN = (2.0, 0.05)
FACTOR = (0.1, 0.002)
SEARCH = 3.0
STREAK = 2
FAST = 0.25


def make(task: Task) -> Outcome:
    """Make the examples of a `minnorm` recipe."""
    attack = MinimumNorm(task.recipe)
    if task.record is None:
        return task.run(attack)
    attack.recorder_of = partial(Recorder, task.record, task.images, norm=attack.norm)
    outcome = task.run(attack)
    recorder = attack.recorder or attack.recorder_of(attack.stretches(probes=1))
    right = outcome.clean_predictions == task.labels
    return replace(outcome, trajectories=recorder.trajectories(right))


@dataclass
class Walk(State):
    """The state of the probes and walks; "in this walk" columns begin anew with each.

    Attributes:
        step: `(b,)` points evaluated after the image's clean evaluation.
        walk: `(b,)` which walk, or -1 while classes are probed.
        stage: `(b,)` points evaluated in this walk.
        won_before: `(b,)` whether a point of this walk has won.
        streak: `(b,)` how many points of this walk have won in a row, up to now.
        nearest: `(b,)` the radius of the nearest point that has won in this walk.
        rivals: `(b,)` the class whose lead is climbed; -1 for the best other class.
        ranks: `(b, PROBES)` the classes to probe, by their logit at the image.
        distances: `(b, PROBES)` how far each seems.
    """

    step: Tensor
    walk: Tensor
    stage: Tensor
    won_before: Tensor
    streak: Tensor
    nearest: Tensor
    rivals: Tensor
    ranks: Tensor
    distances: Tensor


class MinimumNorm:
    """Probe the classes, then walk along the boundary towards the image.

    Cost per example: `steps + 1` forward passes, the clean one among them, and at most `steps`
    backward passes; with noisy classifiers, whose gradients are taken where the reference gives the
    values, at most `2 * steps + 2` forward passes. Two classes, a target class, or fewer than 20
    steps: no probes and one walk.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.norm: str = recipe["norm"]
        self.steps: int = recipe["steps"]
        self.targeted: bool = recipe["targeted"]
        # The clean evaluation is the reference's: its gradient is not the noisy classifier's.
        self.from_image: bool = recipe["noisy"] is None
        self.recorder_of: Callable[[Sequence[Stretch]], Recorder] | None = None
        self.recorder: Recorder | None = None
        self._streams: Streams

    def begin(self, rows: Tensor, images: Tensor, references: Tensor, streams: Streams) -> Walk:
        """Start at the image."""
        self._streams = streams
        columns = (len(rows), PROBES)
        return Walk(
            **fresh(rows, images, references),
            step=torch.zeros_like(rows),
            walk=torch.full_like(rows, -1),
            stage=torch.zeros_like(rows),
            won_before=torch.zeros_like(rows, dtype=torch.bool),
            streak=torch.zeros_like(rows),
            nearest=torch.full_like(rows, torch.inf, dtype=images.dtype),
            rivals=torch.full_like(rows, -1),
            ranks=rows.new_zeros(columns),
            distances=images.new_full(columns, torch.inf),
        )

    def draw(self, state: State) -> int:
        """Every point has its noisy classifier, those of the probes among them."""
        assert isinstance(state, Walk)
        return int(state.step[0])

    def judged(self, state: State) -> bool:
        """The radius follows what the reference says of every point."""
        return True

    def climbed(self, state: State, logits: Tensor) -> Tensor:
        """The lead in logits: of the row's rival, or of whichever other class is best."""
        assert isinstance(state, Walk)
        free = lead(logits, state.references, self.targeted)
        own, rival = (
            logits.gather(1, index.unsqueeze(1)).squeeze(1)
            for index in (state.references, state.rivals.clamp_min(0))
        )
        return torch.where(state.rivals < 0, free, rival - own)

    def advance(self, state: State, found: Evaluation) -> None:
        """Note what a probe found, or take a walk's next step."""
        assert isinstance(state, Walk)
        probes = self.probes(found.logits.shape[1])
        entering = state.step == 0
        if probes == 1:
            state.walk = torch.where(entering, 0, state.walk)
        elif bool(entering.any()):
            others = found.logits.scatter(1, state.references.unsqueeze(1), -torch.inf)
            ranks = others.topk(probes, 1).indices
            state.ranks[:, :probes] = torch.where(
                entering.unsqueeze(1), ranks, state.ranks[:, :probes]
            )
        probing = state.walk < 0
        if self.recorder_of is not None:
            # How many classes are probed, and so what is recorded, is known with the first logits.
            self.recorder = self.recorder or self.recorder_of(self.stretches(probes))
            place = torch.where(probing, state.step, state.stage)
            self.recorder.note(state.rows, state.walk, place, state.images, state.points, found)
        if not bool(probing.all()):
            self.take_step(state, found, ~probing, probes)
        if bool(probing.any()):
            self.note_probe(state, found, probing, probes)
        state.step = state.step + 1

    def probes(self, classes: int) -> int:
        """How many classes are probed."""
        if self.targeted or self.steps < 20:
            return 1
        return min(PROBES, self.steps // 10, classes - 1)

    def stages(self, walk: Tensor, probes: int) -> Tensor:
        """How many points each row's walk evaluates; with the probes that makes `steps + 1`."""
        if probes == 1:
            return torch.full_like(walk, self.steps + 1)
        left = self.steps + 1 - probes
        return torch.where(walk == 0, left - left // WALKS, left // WALKS)

    def stretches(self, probes: int) -> list[Stretch]:
        """Return the probes and the walks, with what is spent on each."""
        if probes == 1:
            return [Stretch(0, self.steps)]
        first, second = (int(self.stages(torch.tensor(walk), probes)) - 1 for walk in range(WALKS))
        # Every probe takes a gradient; the last point of a walk takes none.
        return [
            Stretch(-1, probes - 1),
            Stretch(0, first, probes),
            Stretch(1, second, probes + first),
        ]

    def note_probe(self, state: Walk, found: Evaluation, probing: Tensor, probes: int) -> None:
        """Note the distance of the class just probed; set the next, or begin the first walk."""
        seems = reach(state.images, found.gradients, -found.values, self.norm)
        now = probing.unsqueeze(1) & (
            torch.arange(PROBES).to(state.step) == state.step.unsqueeze(1)
        )
        state.distances = torch.where(now, seems.unsqueeze(1), state.distances)
        ready = probing & (state.step == probes - 1)
        following = (state.step + 1).clamp_max(PROBES - 1).unsqueeze(1)
        next_rank = state.ranks.gather(1, following).squeeze(1)
        state.rivals = torch.where(probing & ~ready, next_rank, state.rivals)
        self.begin_walk(state, ready)

    def begin_walk(self, state: Walk, which: Tensor) -> None:
        """Put these rows back at the image, towards the nearest class, or the second nearest."""
        state.walk = state.walk + which
        order = state.distances.argsort(dim=1, stable=True)
        place = order.gather(1, state.walk.clamp(0, PROBES - 1).unsqueeze(1))
        rivals = state.ranks.gather(1, place).squeeze(1)
        state.rivals = torch.where(which, rivals, state.rivals)
        state.stage = torch.where(which, 0, state.stage)
        state.won_before = state.won_before & ~which
        state.streak = torch.where(which, 0, state.streak)
        state.nearest = torch.where(which, torch.inf, state.nearest)
        state.points = torch.where(per_example(which, state.images), state.images, state.points)
        state.last = state.last & ~which

    def take_step(self, state: Walk, found: Evaluation, walking: Tensor, probes: int) -> None:
        """Keep the nearest winner (else the point that came closest), and take the next step."""
        taken = state.points - state.images
        radii = lengths(taken, self.norm)
        scores = torch.where(found.won, -radii, found.leads)
        first_win = found.won & ~state.best_won
        better = (found.won == state.best_won) & (scores > state.best_score)
        state.keep(walking & (state.stage > 0) & (first_win | better), scores, found)
        state.won_before = state.won_before | (found.won & walking)
        state.streak = torch.where(walking, (state.streak + 1) * found.won, state.streak)
        nearer = walking & found.won & (radii < state.nearest)
        state.nearest = torch.where(nearer, radii, state.nearest)

        stages = self.stages(state.walk, probes)
        progress = state.stage.to(radii) / (stages - 1)
        cosine = (1 + torch.cos(math.pi * progress)) / 2
        gradients = self.alive(state, found.gradients, walking)
        aims = self.next_radii(state, found, gradients, taken, radii, cosine)
        shares = annealed(LEAN, cosine)
        step = leaned(state.images, taken, gradients, shares, aims, self.norm)
        ahead = (state.images + step).clamp(0, 1)
        state.points = torch.where(per_example(walking, ahead), ahead, state.points)
        # The first walk is free once it is under way; the second keeps to its class.
        state.rivals = torch.where(walking & (state.walk == 0), -1, state.rivals)
        state.stage = state.stage + walking
        state.last = walking & (state.stage == stages - 1)
        ended = walking & (state.stage == stages)
        state.done = ended & (state.walk == (0 if probes == 1 else WALKS - 1))
        if bool((ended & ~state.done).any()):
            self.begin_walk(state, ended & ~state.done)

    def next_radii(
        self,
        state: Walk,
        found: Evaluation,
        gradients: Tensor,
        taken: Tensor,
        radii: Tensor,
        cosine: Tensor,
    ) -> Tensor:
        """The radius at which the linearisation meets the boundary, within the annealed factor."""
        factor = annealed(FACTOR, cosine)
        hair = factor * cosine / 20
        # The dual norm: how much nearer the goal a step of length 1 comes at best.
        dual = lengths(gradients, "l1" if self.norm == "linf" else "l2")
        shortfall = found.values.abs() / dual
        ahead = torch.minimum(radii + shortfall, SEARCH * radii)
        search = torch.where(radii > 0, ahead, shortfall)
        slopes = slope(state.images, taken, gradients, self.norm)
        meets = torch.where(slopes > 0, radii - found.values / slopes, torch.inf)
        meets = torch.where(found.won & ~(slopes > 0), 0, meets)
        shortest = torch.minimum(radii, state.nearest)
        # Two wins in a row, as after a search that went too far: the way back may be long.
        back = torch.where(state.streak >= STREAK, factor.clamp_min(FAST), factor)
        inwards = meets.clamp(shortest * (1 - back), shortest * (1 - 2 * hair))
        outwards = meets.clamp(radii * (1 + hair), radii * (1 + factor))
        unseen = search * (1 + factor / 20)
        return torch.where(found.won, inwards, torch.where(state.won_before, outwards, unseen))

    def alive(self, state: Walk, gradients: Tensor, walking: Tensor) -> Tensor:
        """Where the gradient vanishes, put a random direction of length 1 in its place."""
        dead = walking & ~state.last & ~gradients.flatten(1).any(1)
        if not bool(dead.any()):
            return gradients
        streams = self._streams(state.rows[dead], "minimum-norm direction")
        replaced = gradients.clone()
        replaced[dead] = unit(randomness.normal(streams, gradients.shape[1:], gradients))
        return replaced


def annealed(between: tuple[float, float], cosine: Tensor) -> Tensor:
    """Go from the first to the second value as the cosine goes from 1 to 0, geometrically."""
    first, last = between
    return last * (first / last) ** cosine
