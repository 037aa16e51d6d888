"""Gradient ascent over the latents of examples, as the active set of `attacks` runs it.

Stutz, Hein and Schiele 2019, "Disentangling adversarial robustness and generalization": the loss of
the classifier at a decoded latent is climbed inside a ball around the latent of a genuine example.
The walk begins at that latent itself, so that its first point is the example's reconstruction; an
example that is reconstructed as another class is given up there: no search has fooled anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from attacks.active import Evaluation, Outcome, State, Streams, evaluated, fresh
from attacks.counting import Counting
from attacks.noisy import NoisyClassifier, evaluated_noisily
from attacks.norms import per_example
from attacks.objectives import objective
from attacks.recipes import Recipe
from attacks.task import Task
from autoencoders.manifold.ball import ahead
from autoencoders.manifold.manifold import Manifold
from core.layers import INPUT


@dataclass
class Climb(State):
    """The state of a search; its `points` are latents.

    Attributes:
        start: `(b, k)` the latents of the genuine examples.
        moved: `(b, k)` how far the points are from there, in units of the spread.
        found: `(b, k)` the latent of the best point so far.
        step: `(b,)` steps taken.
    """

    start: Tensor
    moved: Tensor
    found: Tensor
    step: Tensor


class LatentAscent:
    """The search as an attack; the examples of a batch take their steps together.

    Cost per example, the clean prediction included: at most `steps + 2` forward and `steps`
    backward passes of the classifier, and as many of the decoder; with noisy classifiers and
    `stop`, `2 * steps + 2` forward passes, else `steps + 3`.

    Args:
        manifold: to search on.
        recipe: of the form `manifold`.
        labels: `(n,)` of all examples.

    Attributes:
        starts, latents: `(n, k)` of all examples: where the search began, and what it found.
        reconstructed: `(n,)`, whether the reconstruction is classified correctly; False for
            examples that are wrong to begin with.
    """

    from_image = False

    def __init__(self, manifold: Manifold, recipe: Recipe, labels: Tensor) -> None:
        self.manifold = manifold
        self.norm: str = recipe["norm"]
        self.radius: float = recipe["radius"]
        self.steps: int = recipe["steps"]
        self.step_size: float = recipe["step_size"]
        self.stop: bool = recipe["stop"]
        self.targeted: bool = recipe["targeted"]
        self.labels = labels
        self.rises = objective(recipe["objective"], self.targeted)
        shape = (len(labels), len(manifold.spread))
        self.starts = manifold.spread.new_zeros(shape)
        self.latents = manifold.spread.new_zeros(shape)
        self.reconstructed = torch.zeros_like(labels, dtype=torch.bool)

    def begin(self, rows: Tensor, images: Tensor, references: Tensor, streams: Streams) -> Climb:
        """Start at the examples' own latents."""
        start = self.manifold.encode(images)
        self.starts[rows] = self.latents[rows] = start
        columns = fresh(rows, images, references) | {"points": start}
        return Climb(
            **columns,
            start=start,
            moved=torch.zeros_like(start),
            found=start,
            step=torch.zeros_like(rows),
        )

    def draw(self, state: State) -> int:
        """Every step has its noisy classifier."""
        assert isinstance(state, Climb)
        return int(state.step[0])

    def judged(self, state: State) -> bool:
        """The reference judges the reconstructions, and each step where a success ends the walk."""
        assert isinstance(state, Climb)
        return self.stop or int(state.step[0]) == 0

    def climbed(self, state: State, logits: Tensor) -> Tensor:
        """The objective, against the label or towards the target."""
        return self.rises(logits, state.references, self.labels[state.rows])

    def advance(self, state: State, found: Evaluation) -> None:
        """Give up what is reconstructed wrongly, keep the best, and take the next step."""
        assert isinstance(state, Climb)
        labels = self.labels[state.rows]
        lost = (state.step == 0) & (found.predictions != labels)
        better = ~lost & (found.won | ~state.best_won) & (found.values > state.best_score)
        better |= ~lost & found.won & ~state.best_won
        if self.manifold.layer == INPUT:
            new = per_example(better, state.best)
            state.best = torch.where(new, self.manifold.shown, state.best)
        state.found = torch.where(better.unsqueeze(1), state.points, state.found)
        state.best_score = torch.where(better, found.values, state.best_score)
        state.best_won = torch.where(better, found.won, state.best_won)
        state.best_prediction = torch.where(better, found.predictions, state.best_prediction)
        state.best_prediction = torch.where(lost, labels, state.best_prediction)
        self.latents[state.rows] = state.found
        self.reconstructed[state.rows] = torch.where(
            state.step == 0, ~lost, self.reconstructed[state.rows]
        )
        state.done = lost | state.last | (state.best_won if self.stop else False)
        spread = self.manifold.spread
        gradients = found.gradients.to(state.moved)
        state.moved = ahead(state.moved, gradients, spread, self.radius, self.step_size, self.norm)
        state.points = state.start + state.moved * spread
        state.step = state.step + 1
        state.last = state.step == self.steps


def climb(task: Task, manifold: Manifold) -> tuple[LatentAscent, Outcome]:
    """Search for the examples of a task; return the search, which knows the latents, and the rest.

    At a hidden layer the images of the outcome are the genuine ones.
    """
    attack = LatentAscent(manifold, task.recipe, task.labels.to(task.device))
    evaluate = partial(_evaluated, manifold, task.noisy_classifier())
    return attack, task.run(attack, evaluate, lockstep=True)


def _evaluated(
    manifold: Manifold,
    noisy: NoisyClassifier | None,
    attack: LatentAscent,
    counting: Counting,
    state: State,
    ids: Sequence[str],
) -> Evaluation:
    """Evaluate the decoded points of a state whose rows are all at the same step."""
    with manifold.seen(state.images) as shown:
        if noisy is not None:
            return evaluated_noisily(noisy, attack, counting, state, ids, shown)
        wanted = not bool(state.last.all())
        return evaluated(attack, counting, state, state.points, ids, wanted, shown)
