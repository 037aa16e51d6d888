"""Paths of low loss between three kinds of pairs: how many, how far, at what cost, how fast."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from attacks import craft
from benchmarks.photographs import resnet_on_photographs
from core.data import load_images
from core.models import load_classifier
from landscape.connectivity import bypass, pairs, straight_line, table
from landscape.connectivity.pairs import Pairs
from landscape.loss import Loss

PAIRS = 50
THRESHOLD = 0.1
BUDGET = 128
EXAMPLES = 400
OURS, ALONE, STRAIGHT = "batched", "one pair at a time", "straight line"
SINGLE = "one pair and one point at a time"
POINTS = {OURS: 1001, STRAIGHT: 101}


def settings() -> dict[str, tuple[nn.Module, list[Pairs]]]:
    """Return classifiers with their pairs: the digits and, where it lies, ResNet-18."""
    digits = load_images("digits").subset(EXAMPLES).tensors()
    found = {"digits": pairs_of(load_classifier(), *digits, "pgd(eps=0.15, steps=20)")}
    photographs = resnet_on_photographs()
    if photographs:
        classifier, data = photographs
        photos = data.subset(EXAMPLES).tensors()
        found["ResNet-18"] = pairs_of(classifier, *photos, "pgd(eps=4/255, steps=20)")
    return found


def pairs_of(
    classifier: nn.Module, images: torch.Tensor, labels: torch.Tensor, recipe: str
) -> tuple[nn.Module, list[Pairs]]:
    """Return genuine-genuine, genuine-adversarial and adversarial-adversarial pairs."""
    crafted = craft(classifier, images, labels, recipe)
    genuine = pairs.genuine(images, labels, crafted.clean_predictions)
    fooled = pairs.adversarial(crafted.images, labels, crafted.predictions, crafted.success)
    return classifier, [
        pairs.genuine_genuine(genuine, PAIRS),
        pairs.genuine_adversarial(genuine, fooled, PAIRS),
        pairs.adversarial_adversarial(fooled, PAIRS),
    ]


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Find paths by `bypass` in one batch and pair by pair, and return one row per figure.

    A pair by itself still has the 63 points of its grid in one batch; the third contender has not.

    Times are medians over alternating repetitions, of the search alone. What the paths are worth is
    read off 1,001 points of each (the straight line, whose barrier is only for comparison, off
    101).
    """
    found = []
    for name, (classifier, kinds) in settings().items():
        for some in kinds:
            found += _compare(f"{name}, {len(some)} {some.kind} pairs", classifier, some, repeats)
    return found


def _compare(name: str, classifier: nn.Module, some: Pairs, repeats: int) -> list[dict[str, Any]]:
    """Return the rows of one kind of pairs."""
    loss = Loss(classifier, some.labels)

    def batched() -> Any:
        return bypass(loss, some.first, some.second, threshold=THRESHOLD, budget=BUDGET)

    def alone(batch_size: int) -> None:
        for i in range(len(some)):
            one = slice(i, i + 1)
            bypass(
                loss.select(one), some.first[one], some.second[one], threshold=THRESHOLD,
                budget=BUDGET, batch_size=batch_size,
            )  # fmt: skip

    searches: dict[str, Callable[[], Any]] = {
        OURS: batched,
        ALONE: lambda: alone(256),
        SINGLE: lambda: alone(1),
    }
    seconds: dict[str, list[float]] = {contender: [] for contender in searches}
    for _ in range(repeats):
        for contender, search in searches.items():
            begun = time.perf_counter()
            search()
            seconds[contender].append(time.perf_counter() - begun)
    own = statistics.median(seconds[OURS])
    found = [
        _row(name, c, "time of all pairs", statistics.median(s), "s", statistics.median(s) / own)
        for c, s in seconds.items()
    ]
    for contender, paths in (
        (STRAIGHT, straight_line(some.first, some.second)),
        (OURS, batched()),
    ):
        figures = table(loss, paths, points=POINTS[contender])
        low = figures["barrier"] < THRESHOLD
        for metric, value in {
            f"share with barrier < {THRESHOLD:g}": low.mean(),
            "largest barrier": figures["barrier"].max(),
            "median deviation / length": figures["deviation"].median(),
            "largest deviation / length": figures["deviation"].max(),
            "largest number of gradients": figures["gradients"].max(),
            "median number of gradients": figures["gradients"].median(),
            "largest share outside the box": figures["outside"].max(),
            "share of points of the class": figures["kept"].mean(),
        }.items():
            found.append(_row(name, contender, metric, float(value), "", float("nan")))
    return found


def _row(
    name: str, contender: str, metric: str, value: float, unit: str, ratio: float
) -> dict[str, Any]:
    return {
        "benchmark": f"paths, {name}",
        "contender": contender,
        "metric": metric,
        "value": value,
        "unit": unit,
        "ratio_to_ours": ratio,
        "note": "",
    }
