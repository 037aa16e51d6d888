"""A task: all that the maker of a recipe's examples is given, checked and in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from attacks import active
from attacks.active import Attack, Evaluate, Outcome
from attacks.counting import Counting
from attacks.noisy import NoisyClassifier, Weights, evaluated_noisily
from attacks.recipes import Recipe
from attacks.trajectories import Record

if TYPE_CHECKING:
    from attacks.crafting import Crafted


@dataclass(frozen=True)
class Task:
    """Examples to be made by one recipe.

    Attributes:
        recipe: what is asked for.
        counting: the classifier, in eval mode and frozen, which counts its passes per example.
        images: `(n, ...)` in `[0, 1]`.
        labels: `(n,)` the true classes.
        references: `(n,)` the target classes of a targeted recipe, else the labels.
        ids: one name per example.
        seed: of the random numbers.
        batch_size: the most images evaluated at once.
        device: where the classifier computes.
        like: for a control, what the recipe it copies has made.
        weights: for `noisy=weights`, the state dicts to choose from.
        record: what of the way to the examples is kept.
    """

    recipe: Recipe
    counting: Counting
    images: Tensor
    labels: Tensor
    references: Tensor
    ids: tuple[str, ...]
    seed: int
    batch_size: int
    device: torch.device
    like: Crafted | None = None
    weights: Sequence[Weights] | None = None
    record: Record | None = None

    def noisy_classifier(self) -> NoisyClassifier | None:
        """Return the noisy classifiers that the recipe asks for, or None."""
        kind = self.recipe.get("noisy")
        if kind is None:
            return None
        weights = self.weights if kind == "weights" else None
        return NoisyClassifier(
            self.counting.classifier,
            kind,
            self.recipe["noise_scale"],
            weights=weights,
            seed=self.seed,
        )

    def run(
        self, attack: Attack, evaluate: Evaluate | None = None, lockstep: bool = False
    ) -> Outcome:
        """Run an attack of the active set on all examples, see `active.run`.

        Where the recipe asks for noisy classifiers, the attack is a `NoisyAttack`, unless it says
        how points are evaluated.
        """
        if evaluate is None and (noisy := self.noisy_classifier()) is not None:
            evaluate, lockstep = partial(evaluated_noisily, noisy), True
        return active.run(
            attack,
            self.counting,
            self.images,
            self.labels,
            self.references,
            self.ids,
            self.seed,
            self.batch_size,
            self.device,
            evaluate,
            lockstep,
        )
