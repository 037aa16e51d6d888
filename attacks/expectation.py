"""Gradients in expectation: the mean over transformed copies of the points and noisy classifiers.

Athalye et al. 2018, "Synthesizing robust adversarial examples" (expectation over transformation).
The copies are evaluated one after the other, so that many samples take no more memory than one;
each counts as a forward and a backward pass. The points as they are and the classifier as it is
judge the success.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Protocol, cast

import torch
from torch import Tensor

from attacks.active import Attack, Evaluation, State, evaluated
from attacks.counting import Counting
from attacks.noisy import NoisyClassifier, drawn, judged_by_reference


class ExpectingAttack(Attack, Protocol):
    """An attack whose gradients are means over samples; its batch goes in lockstep.

    Attributes:
        samples: how many.
    """

    samples: int

    def draw(self, state: State, sample: int = 0) -> int:
        """Return which noisy classifier gives the gradients of a sample."""

    def judged(self, state: State) -> bool:
        """Return whether the classifier has to judge these points, too."""

    def seen(self, state: State, points: Tensor, sample: int) -> Tensor:
        """Return the points as a sample's classifier sees them, differentiable in the points."""


def evaluated_in_expectation(
    noisy: NoisyClassifier | None,
    attack: Attack,
    counting: Counting,
    state: State,
    ids: Sequence[str],
) -> Evaluation:
    """Evaluate a state whose rows are all at the same step, with the mean gradient of the samples.

    Each sample has its own transform and, if there are any, its own noisy classifier.
    """
    if bool(state.last.all()):
        return evaluated(attack, counting, state, state.points, ids, False)
    climbing = cast(ExpectingAttack, attack)
    total = torch.zeros_like(state.points)
    for sample in range(climbing.samples):

        def seen(points: Tensor, sample: int = sample) -> Tensor:
            return climbing.seen(state, points, sample)

        other = noisy and drawn(noisy, counting, climbing.draw(state, sample))
        with other or nullcontext():
            found = evaluated(attack, counting, state, state.points, ids, True, seen)
        total += found.gradients
    mean = replace(found, gradients=total / climbing.samples)
    return judged_by_reference(mean, climbing, counting, state, ids)
