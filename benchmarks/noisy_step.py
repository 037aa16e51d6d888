"""A step with a noisy classifier, beside a plain step of PGD and a step with a copied model.

All take the same forward and backward pass. The copied model is what one writes without
`functional_call`: at every step `copy.deepcopy`, its parameters perturbed in place by the same
formula, and the gradient through the copy. The draw of the noise is in both. What a batch of many
images takes for its passes is the same for all, so the ratios depend on the size of the batch.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attacks.forms.common import NOISES
from attacks.noisy import NoisyClassifier, perturbed_parameters
from attacks.objectives import log_odds
from benchmarks.photographs import resnet_on_photographs
from core.data import load_images
from core.models import evaluating, load_classifier

BATCHES = (16, 64, 256)
SCALE = 0.1
OURS = "inputscape"


def gradient(logits: Tensor, points: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of the log-odds in the points."""
    return torch.autograd.grad(log_odds(logits, labels).sum(), points)[0]


def contenders(
    classifier: nn.Module, images: Tensor, labels: Tensor, kind: str
) -> dict[str, Callable[[int], Tensor]]:
    """Return what takes one step's gradient, by name; each is given the step's number."""
    noisy = NoisyClassifier(classifier, kind, SCALE)

    def leaf() -> Tensor:
        return images.clone().requires_grad_()

    def plain(step: int) -> Tensor:
        points = leaf()
        return gradient(classifier(points), points, labels)

    def ours(step: int) -> Tensor:
        points = leaf()
        return gradient(noisy(points, step), points, labels)

    def copied(step: int) -> Tensor:
        points, generator = leaf(), torch.Generator().manual_seed(step)
        other = copy.deepcopy(classifier)
        drawn = perturbed_parameters(other, kind, SCALE, generator)
        with torch.no_grad():
            for name, parameter in other.named_parameters():
                parameter.copy_(drawn[name])
        return gradient(other(points), points, labels)

    def draw(step: int) -> Tensor:
        return next(iter(noisy.parameters(step).values()))

    def copy_only(step: int) -> Tensor:
        return next(copy.deepcopy(classifier).parameters())

    return {
        "plain PGD step": plain,
        f"{OURS}, noisy step": ours,
        "step with a copied model": copied,
        "the draw alone": draw,
        "the copy alone": copy_only,
    }


def one_by_one(
    classifier: nn.Module, images: Tensor, labels: Tensor, kind: str
) -> Callable[[int], Tensor]:
    """Return a step in which each image has a copied model of its own."""

    def step_of(step: int) -> Tensor:
        parts = [
            contenders(classifier, image, label, kind)["step with a copied model"](step)
            for image, label in zip(images.split(1), labels.split(1), strict=True)
        ]
        return torch.cat(parts)

    return step_of


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Measure all contenders in alternating repetitions; medians of the wall time of one step."""
    found = resnet_on_photographs()
    classifier, data = found or (load_classifier(), load_images("digits"))
    images, labels = data.subset(max(BATCHES)).tensors()
    measured = []
    with evaluating(classifier):
        for size in BATCHES:
            for kind in NOISES:
                steps = contenders(classifier, images[:size], labels[:size], kind)
                if size == BATCHES[0]:
                    few = one_by_one(classifier, images[:size], labels[:size], kind)
                    steps["a copied model per image"] = few
                measured += timed(f"noisy step, {kind}, batch {size}", steps, repeats)
    return measured


def timed(
    name: str, steps: dict[str, Callable[[int], Tensor]], repeats: int
) -> list[dict[str, Any]]:
    """Return one row per contender; the first repetition warms up and is left out."""
    seconds: dict[str, list[float]] = {contender: [] for contender in steps}
    for repeat in range(repeats + 1):
        for contender, step in steps.items():
            begun = time.perf_counter()
            step(repeat)
            seconds[contender].append(time.perf_counter() - begun)
    medians = {contender: statistics.median(times[1:]) for contender, times in seconds.items()}
    own, plain = medians[f"{OURS}, noisy step"], medians["plain PGD step"]
    return [
        {
            "benchmark": name,
            "contender": contender,
            "metric": "wall time of a step",
            "value": value,
            "unit": "s",
            "ratio_to_ours": value / own,
            "note": f"{value / plain:.2f} x a plain step",
        }
        for contender, value in medians.items()
    ]
