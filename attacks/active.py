"""The active set: a batch that an example joins when there is room and leaves when it is done.

An attack never calls the classifier. It names the points it wants evaluated and is told what was
found there, for each example by itself; the loop here evaluates, counts the passes, lets examples
go and keeps the batch full from the queue of those that wait. Every column of the state belongs to
its example (its own step number, its own radius), so that an example's result does not depend on
its companions. Where the classifier itself changes from step to step, a batch goes in lockstep: its
examples begin together, they still leave when they are done, but none joins before all have left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from attacks.counting import Counting
from attacks.norms import per_example
from attacks.objectives import lead, rounding
from attacks.trajectories import Trajectories
from core import randomness
from core.errors import InputError

Streams = Callable[[Tensor, str], list[np.random.Generator]]


@dataclass
class State:
    """The examples in the batch, one row each; attacks add columns of their own.

    Attributes:
        rows: `(b,)` which examples these are, as indices into the whole set.
        images: `(b, ...)` the genuine images.
        references: `(b,)` the labels, or the target classes.
        points: `(b, ...)` what is to be evaluated next.
        last: `(b,)` whether the next evaluation can do without the gradient.
        done: `(b,)` whether the example leaves the batch.
        best: `(b, ...)` the best point so far.
        best_score: `(b,)` how good it is; larger is better.
        best_won: `(b,)` whether it reaches the goal.
        best_prediction: `(b,)` the class predicted there.
    """

    rows: Tensor
    images: Tensor
    references: Tensor
    points: Tensor
    last: Tensor
    done: Tensor
    best: Tensor
    best_score: Tensor
    best_won: Tensor
    best_prediction: Tensor

    def keep(self, better: Tensor, scores: Tensor, found: Evaluation) -> None:
        """Take the points just evaluated as the best where they are better."""
        self.best = torch.where(per_example(better, self.points), self.points, self.best)
        self.best_score = torch.where(better, scores, self.best_score)
        self.best_won = torch.where(better, found.won, self.best_won)
        self.best_prediction = torch.where(better, found.predictions, self.best_prediction)


@dataclass(frozen=True)
class Evaluation:
    """What was found at the points of a state, one row per example.

    Attributes:
        logits: `(b, k)`.
        values: `(b,)` the objective.
        leads: `(b,)` how far the goal is reached, in logits.
        won: `(b,)` whether it is reached beyond what rounding can undo.
        predictions: `(b,)` the predicted class.
        gradients: `(b, ...)` of the objective with respect to the points; zero where not wanted.
    """

    logits: Tensor
    values: Tensor
    leads: Tensor
    won: Tensor
    predictions: Tensor
    gradients: Tensor


class Attack(Protocol):
    """An attack as the loop sees it.

    Attributes:
        targeted: whether the references are target classes.
        from_image: whether the first point is the image itself, so that its clean evaluation
            is the attack's first as well; without the gradient where all rows begin as `last`.
    """

    targeted: bool
    from_image: bool

    def begin(self, rows: Tensor, images: Tensor, references: Tensor, streams: Streams) -> State:
        """Return the state of fresh examples."""

    def climbed(self, state: State, logits: Tensor) -> Tensor:
        """Return the objective, one value per row, as a differentiable function of the logits."""

    def advance(self, state: State, found: Evaluation) -> None:
        """Take in what was found at `state.points`, and set the next points or `done`."""


@dataclass(frozen=True)
class Outcome:
    """What an attack made of all examples, on the device of the images that were given.

    Attributes:
        images: `(n, ...)`; the genuine image where it was classified wrongly to begin with.
        clean_predictions: `(n,)`.
        predictions: `(n,)`.
        success: `(n,)` whether the goal is reached beyond what rounding can undo.
        radii: `(n,)` the lengths that a noise control was asked for, else None.
        broken_by: `(n,)` which part of an attack with several has won, -1 for none, else None.
        trajectories: the way there, where it was recorded.
    """

    images: Tensor
    clean_predictions: Tensor
    predictions: Tensor
    success: Tensor
    radii: Tensor | None = None
    broken_by: Tensor | None = None
    trajectories: Trajectories | None = None


S = TypeVar("S", bound=State)


def fresh(rows: Tensor, images: Tensor, references: Tensor) -> dict[str, Tensor]:
    """Return the columns of `State` for examples that begin at the image, nothing found yet."""
    return {
        "rows": rows,
        "images": images,
        "references": references,
        "points": images,
        "last": torch.zeros_like(rows, dtype=torch.bool),
        "done": torch.zeros_like(rows, dtype=torch.bool),
        "best": images,
        "best_score": torch.full_like(rows, float("-inf"), dtype=images.dtype),
        "best_won": torch.zeros_like(rows, dtype=torch.bool),
        "best_prediction": torch.full_like(rows, -1),
    }


def selected(state: S, which: Tensor) -> S:
    """Return the chosen rows of a state."""
    return type(state)(**{f.name: getattr(state, f.name)[which] for f in fields(state)})


def joined(first: S | None, second: S) -> S:
    """Return the rows of both states, the first's first."""
    if first is None:
        return second
    columns = {f.name: (getattr(first, f.name), getattr(second, f.name)) for f in fields(second)}
    return type(second)(**{name: torch.cat(pair) for name, pair in columns.items()})


Evaluate = Callable[[Attack, Counting, State, Sequence[str]], Evaluation]


def run(
    attack: Attack,
    counting: Counting,
    images: Tensor,
    labels: Tensor,
    references: Tensor,
    ids: Sequence[str],
    seed: int,
    batch_size: int,
    device: torch.device,
    evaluate: Evaluate | None = None,
    lockstep: bool = False,
) -> Outcome:
    """Run an attack on all examples; those that are wrong to begin with are left as they are.

    The classifier has to be in eval mode and frozen, the arguments checked. Images move to
    `device` when they join the batch and results back when they leave it. Points are evaluated by
    `evaluated_state` unless another way is given; with `lockstep` the examples of a batch that
    begin together stay at the same step.

    Raises:
        InputError: the classifier's logits are not finite, or not a differentiable function of
            the image.
    """
    made = images.clone()
    clean = torch.full_like(labels, -1)
    predictions = torch.full_like(labels, -1)
    success = torch.zeros_like(labels, dtype=torch.bool)

    def streams(rows: Tensor, purpose: str) -> list[np.random.Generator]:
        return randomness.generators(seed, [ids[row] for row in rows.tolist()], purpose)

    def admitted(rows: Tensor) -> State | None:
        with_device = (images[rows], labels[rows], references[rows])
        pixels, own, aims = (tensor.to(device) for tensor in with_device)
        state = attack.begin(rows.to(device), pixels, aims, streams)
        gradient = attack.from_image and not bool(state.last.all())
        found = evaluated(attack, counting, state, pixels, ids, gradient)
        clean[rows] = predictions[rows] = found.predictions.to(clean.device)
        if attack.from_image:
            attack.advance(state, found)
        right = found.predictions == own
        return selected(state, right) if bool(right.any()) else None

    def released(state: S) -> S | None:
        done = state.done
        if not bool(done.any()):
            return state
        rows = state.rows[done].to(images.device)
        made[rows] = state.best[done].to(images.device)
        predictions[rows] = state.best_prediction[done].to(images.device)
        success[rows] = state.best_won[done].to(images.device)
        return None if bool(done.all()) else selected(state, ~done)

    evaluate = evaluate or evaluated_state
    waiting = torch.arange(len(images))
    active: State | None = None
    while len(waiting) or active is not None:
        room = batch_size - (0 if active is None else len(active.rows))
        # A quarter of a batch at the least joins at once: smaller batches waste the hardware.
        if len(waiting) and (active is None or (not lockstep and 4 * room >= batch_size)):
            entering, waiting = waiting[:room], waiting[room:]
            newcomers = admitted(entering)
            active = active if newcomers is None else joined(active, newcomers)
        else:
            assert active is not None
            attack.advance(active, evaluate(attack, counting, active, ids))
        active = None if active is None else released(active)
    return Outcome(made, clean, predictions, success)


def evaluated_state(
    attack: Attack, counting: Counting, state: State, ids: Sequence[str]
) -> Evaluation:
    """Evaluate the points of a state, with the gradient only for the rows that want it."""

    last = state.last
    if bool(last.all()) or not bool(last.any()):
        return evaluated(attack, counting, state, state.points, ids, not bool(last.any()))
    climbing, ending = (
        evaluated(attack, counting, part, part.points, ids, gradient)
        for part, gradient in ((selected(state, ~last), True), (selected(state, last), False))
    )
    columns = {}
    for column in fields(Evaluation):
        first, second = getattr(climbing, column.name), getattr(ending, column.name)
        whole = first.new_empty((len(last), *first.shape[1:]))
        whole[~last], whole[last] = first, second
        columns[column.name] = whole
    return Evaluation(**columns)


def evaluated(
    attack: Attack,
    counting: Counting,
    state: State,
    points: Tensor,
    ids: Sequence[str],
    gradient: bool,
    seen_as: Callable[[Tensor], Tensor] | None = None,
) -> Evaluation:
    """Run the classifier once, forwards and, if the gradient is wanted, backwards.

    With `seen_as` it sees the points changed by this function; the gradient is that at the points.
    """
    rows, references = state.rows, state.references
    points = points.detach().requires_grad_(gradient)
    with torch.set_grad_enabled(gradient), counting.serving(rows):
        logits = counting(points if seen_as is None else seen_as(points))
        check_logits(logits, references, len(points), "targets" if attack.targeted else "labels")
        check_finite(logits.detach(), rows, ids, "logits")
        values = attack.climbed(state, logits)
        gradients = torch.zeros_like(points)
        if gradient:
            if not values.requires_grad:
                raise InputError(
                    "--model: its logits are not a differentiable function of the image."
                )
            # The sum, not the mean: an example's gradient does not know its companions.
            (gradients,) = torch.autograd.grad(values.sum(), points)
            check_finite(gradients, rows, ids, "input gradient")
    logits = logits.detach()
    leads = lead(logits, references, attack.targeted)
    won = leads > rounding(logits)
    predictions = logits.argmax(1)
    return Evaluation(logits, values.detach(), leads, won, predictions, gradients.detach())


def check_logits(logits: Tensor, references: Tensor, count: int, argument: str = "labels") -> None:
    """Raise an InputError where the output is no `(n, k)` logits or a class is beyond them."""
    if logits.ndim != 2 or len(logits) != count or logits.shape[1] < 2:
        raise InputError(
            f"--model: expected logits of shape ({count}, k) with k of at least 2, found "
            f"{tuple(logits.shape)}."
        )
    if len(references) and int(references.max()) >= logits.shape[1]:
        raise InputError(
            f"{argument}: class {int(references.max())} is beyond the classifier's "
            f"{logits.shape[1]} classes."
        )


def check_finite(values: Tensor, rows: Tensor, ids: Sequence[str], what: str) -> None:
    """Raise an InputError that names the first example whose values are not finite."""
    finite = torch.isfinite(values).flatten(1).all(1)
    if not bool(finite.all()):
        first = ids[int(rows[int((~finite).nonzero()[0])])]
        raise InputError(f"--model: non-finite {what} for the image {first!r}.")
