"""FAB: the nearest misclassified point, by projections onto the linearised boundary.

Croce & Hein 2020, "Minimally distorted adversarial examples with a fast adaptive boundary attack",
in the targeted form that AutoAttack uses: one run for each of the likeliest other classes. A step
projects the point and the image onto the hyperplane where the linearised lead of the class over the
label vanishes, within the box; it goes beyond both projections by `OVERSHOOT` and lies between
them, nearer to the point's. Where that wins, the point is drawn back towards the image.

The paper's last search, on the segment between the image and the nearest winner, is made once, at
the end of all runs. (The authors' AutoAttack leaves it out.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.active import Evaluation, Outcome, State, Streams, fresh
from attacks.norms import lengths, per_example, project, rooms, unit_peak, water_level
from attacks.recipes import Recipe
from attacks.task import Task

BIAS_MOST = 0.1
OVERSHOOT = 1.05
BACK = 0.9
SEARCHES = 3
BEYOND = 0.01
TINY = 1e-8

WALKING, SEARCHING, CLOSING = 0, 1, 2


def make(task: Task) -> Outcome:
    """Make the examples of a `fab` recipe."""
    return task.run(Fab(task.recipe))


def to_hyperplane(images: Tensor, normals: Tensor, offsets: Tensor, norm: str) -> Tensor:
    """The shortest step within the box onto the hyperplane `normal . step = offset`, `(n, ...)`.

    In linf it is `clip(level * sign(normal))`, in l2 `clip(level * normal)`. Where the box does not
    reach the hyperplane, it is the step to the corner that comes nearest to it.

    Args:
        images: `(n, ...)` in the box: where the steps begin.
        normals: `(n, ...)`; a zero normal gives a zero step.
        offsets: `(n,)`, of either sign.
        norm: `linf` or `l2`.

    >>> image, normal = torch.tensor([[0.5, 0.9]]), torch.tensor([[1.0, 1.0]])
    >>> to_hyperplane(image, normal, torch.tensor([0.3]), "linf")
    tensor([[0.2000, 0.1000]])
    """
    peaks = lengths(normals, "linf")
    scaled = unit_peak(normals) * per_example(torch.where(offsets < 0, -1, 1), normals)
    size = scaled.abs()
    caps = torch.where(size > 0, rooms(images, scaled), 0)
    rates = (size > 0).to(size) if norm == "linf" else size
    totals = torch.where(peaks > 0, offsets.abs() / peaks, 0)
    level = water_level((size * rates).flatten(1), (size * caps).flatten(1), totals)
    step = torch.where(rates > 0, per_example(level, images) * rates, 0)
    return torch.minimum(step, caps).copysign(scaled)


@dataclass
class Boundary(State):
    """FAB's state.

    Attributes:
        stage: `(b,)` whether the example walks, searches between image and winner, or closes.
        aim: `(b,)` which target class.
        step: `(b,)` steps taken towards it; in the search, points evaluated.
        stepped: `(b,)` whether the points are where a step led, and not yet drawn back.
        winning: `(b,)` whether the last step won.
        low: `(b,)` how far from the image, towards the nearest winner, is known not to win.
        low_lead: `(b,)` the lead there.
        high_lead: `(b,)` the lead at the nearest winner.
        rivals: `(b,)` the target class.
        ranks: `(b, targets)` all of them.
    """

    stage: Tensor
    aim: Tensor
    step: Tensor
    stepped: Tensor
    winning: Tensor
    low: Tensor
    low_lead: Tensor
    high_lead: Tensor
    rivals: Tensor
    ranks: Tensor


class Fab:
    """FAB with an active set.

    A step is evaluated with its gradient, so that the next one can begin there at once; where the
    last step won, and this one is likely to be drawn back, without. With a radius, an example
    stops at its first success within it; if there is none, the nearest point is projected onto the
    ball and evaluated once more.

    Cost per example: one backward pass per step, and one for each step that wins unexpectedly; for
    each step one forward pass, and one more if it wins or was expected to; at most `SEARCHES + 1`
    forward passes at the end.
    """

    from_image = True
    targeted = False

    def __init__(self, recipe: Recipe) -> None:
        self.norm: str = recipe["norm"]
        self.eps: float | None = recipe["eps"]
        self.steps: int = recipe["steps"]
        self.targets: int = recipe["targets"]

    def begin(self, rows: Tensor, images: Tensor, references: Tensor, streams: Streams) -> Boundary:
        """Start at the image."""
        zero, no = torch.zeros_like(rows), torch.zeros_like(rows, dtype=torch.bool)
        unknown = images.new_zeros(len(rows))
        return Boundary(
            **fresh(rows, images, references),
            stage=zero,
            aim=zero.clone(),
            step=zero.clone(),
            stepped=no,
            winning=no.clone(),
            low=unknown,
            low_lead=unknown.clone(),
            high_lead=unknown.clone(),
            rivals=torch.full_like(rows, -1),
            ranks=rows.new_zeros((len(rows), self.targets)),
        )

    def climbed(self, state: State, logits: Tensor) -> Tensor:
        """The lead in logits of the row's target class, at first of the best other class."""
        assert isinstance(state, Boundary)
        others = logits.detach().scatter(1, state.references.unsqueeze(1), -torch.inf)
        rivals = torch.where(state.rivals < 0, others.argmax(1), state.rivals)
        own, rival = (
            logits.gather(1, index.unsqueeze(1)).squeeze(1) for index in (state.references, rivals)
        )
        return rival - own

    def advance(self, state: State, found: Evaluation) -> None:
        """Keep the nearest winner; take a step, draw it back, begin the next run, or search."""
        assert isinstance(state, Boundary)
        entering = state.rivals < 0
        targets = min(self.targets, found.logits.shape[1] - 1)
        if bool(entering.any()):
            self.rank(state, found, entering, targets)
        # What is decided for one stage must not be read by the next in the same call.
        walking, searching, closing = (
            state.stage == stage for stage in (WALKING, SEARCHING, CLOSING)
        )
        self.keep_nearest(state, found, (walking & state.stepped) | searching)
        if bool(walking.any()):
            self.walk(state, found, walking, targets)
        if bool(searching.any()):
            self.search(state, found, searching)
        if bool(closing.any()):
            state.keep(closing, found.leads, found)
            state.done = state.done | closing
        state.done = state.done | (state.best_won & self.within(state, state.best_score))

    def within(self, state: Boundary, scores: Tensor) -> Tensor:
        """Whether winners with these scores lie in the ball that was asked for."""
        if self.eps is None:
            return torch.zeros_like(state.done)
        return -scores <= self.eps

    def rank(self, state: Boundary, found: Evaluation, entering: Tensor, targets: int) -> None:
        """Note the classes with the largest logits, the label aside, and the image's lead."""
        others = found.logits.scatter(1, state.references.unsqueeze(1), -torch.inf)
        ranked = others.topk(targets, 1).indices
        state.ranks = state.ranks.clone()
        state.ranks[entering, :targets] = ranked[entering]
        state.rivals = torch.where(entering, ranked[:, 0], state.rivals)
        state.low_lead = torch.where(entering, found.leads, state.low_lead)

    def keep_nearest(self, state: Boundary, found: Evaluation, judged: Tensor) -> None:
        """Keep the nearest winner; while there is none, the point that came closest to winning."""
        distances = lengths(state.points - state.images, self.norm)
        scores = torch.where(found.won, -distances, found.leads)
        better = (found.won == state.best_won) & (scores > state.best_score)
        better = judged & (better | (found.won & ~state.best_won))
        state.high_lead = torch.where(better & found.won, found.leads, state.high_lead)
        state.keep(better, scores, found)

    def walk(self, state: Boundary, found: Evaluation, walking: Tensor, targets: int) -> None:
        """Go on from where these rows are."""
        stepped = walking & state.stepped
        ended = stepped & (state.step == self.steps)
        back = stepped & found.won & ~ended
        # A step that was expected to win and did not: its gradient is still to be asked for.
        again = stepped & ~found.won & state.last & ~ended
        forward = walking & ~ended & ~back & ~again
        state.winning = torch.where(stepped, found.won, state.winning)
        state.stepped = state.stepped & ~walking
        points = state.images + BACK * (state.points - state.images)
        state.points = torch.where(per_example(back, points), points, state.points)
        if bool(forward.any()):
            ahead = self.ahead(state, found)
            state.points = torch.where(per_example(forward, ahead), ahead, state.points)
            state.stepped = state.stepped | forward
            state.step = state.step + forward
        last = forward & (state.winning | (state.step == self.steps))
        state.last = torch.where(walking, last, state.last)
        if bool(ended.any()):
            self.end_run(state, ended, targets)

    def ahead(self, state: Boundary, found: Evaluation) -> Tensor:
        """Where the step leads: beyond the two projections, between them."""
        taken = state.points - state.images
        offsets = -found.values
        slopes = (found.gradients * taken).flatten(1).sum(1)
        near = to_hyperplane(state.points, found.gradients, offsets, self.norm)
        far = to_hyperplane(state.images, found.gradients, offsets + slopes, self.norm)
        own, origin = (lengths(step, self.norm).clamp_min(TINY) for step in (near, far))
        bias = per_example((own / (own + origin)).clamp_max(BIAS_MOST), taken)
        moved = (1 - bias) * (taken + OVERSHOOT * near) + bias * OVERSHOOT * far
        return (state.images + moved).clamp(0, 1)

    def end_run(self, state: Boundary, ended: Tensor, targets: int) -> None:
        """Put these rows back at the image for the next class, or begin the search."""
        state.aim = state.aim + ended
        state.step = torch.where(ended, 0, state.step)
        state.winning = state.winning & ~ended
        place = state.aim.clamp(0, targets - 1).unsqueeze(1)
        rivals = state.ranks.gather(1, place).squeeze(1)
        state.rivals = torch.where(ended, rivals, state.rivals)
        onwards = ended & (state.aim < targets)
        points = torch.where(per_example(onwards, state.images), state.images, state.points)
        state.points = points
        state.last = state.last & ~onwards
        over = ended & ~onwards
        state.stage = torch.where(over & state.best_won, SEARCHING, state.stage)
        self.set_search(state, over & state.best_won)
        self.close(state, over & ~state.best_won)

    def set_search(self, state: Boundary, which: Tensor) -> None:
        """Set the point where the straight line between the leads meets 0, and a bit beyond."""
        span = lengths(state.best - state.images, self.norm)
        rise = (state.high_lead - state.low_lead).clamp_min(torch.finfo(span.dtype).tiny)
        root = state.low - (span - state.low) * state.low_lead / rise
        share = ((root + BEYOND * (span - root)) / span.clamp_min(TINY**2)).clamp(0, 1)
        points = state.images + per_example(share, state.best) * (state.best - state.images)
        state.points = torch.where(per_example(which, points), points, state.points)
        state.last = state.last | which

    def search(self, state: Boundary, found: Evaluation, searching: Tensor) -> None:
        """Take in a point of the segment: it is the nearest winner now, or the new lower end."""
        missed = searching & ~found.won
        reached = lengths(state.points - state.images, self.norm)
        state.low = torch.where(missed, reached, state.low)
        state.low_lead = torch.where(missed, found.leads, state.low_lead)
        state.step = state.step + searching
        ended = searching & (state.step == SEARCHES)
        self.set_search(state, searching & ~ended)
        self.close(state, ended)

    def close(self, state: Boundary, which: Tensor) -> None:
        """Be done; with a radius that was not reached, try the nearest point of the ball."""
        if self.eps is None:
            state.done = state.done | which
            return
        radii = torch.full_like(state.low, self.eps)
        points = project(state.best, state.images, radii, self.norm)
        state.points = torch.where(per_example(which, points), points, state.points)
        state.stage = torch.where(which, CLOSING, state.stage)
        state.last = state.last | which
