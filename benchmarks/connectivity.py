"""Paths of low loss between three kinds of pairs: how many, how far, at what cost, how fast.

Beside them a port of the method that ours goes back to (see `benchmarks.vrabel`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from attacks import craft
from benchmarks.photographs import resnet_on_photographs
from benchmarks.vrabel import Port
from core.data import load_images
from core.models import Classifier, load_classifier
from landscape.connectivity import Paths, bypass, pairs, straight_line, table
from landscape.connectivity.pairs import Pairs
from landscape.loss import Loss

PAIRS = 50
THRESHOLD = 0.1
BUDGET = 128
EXAMPLES = 400
MANY = 400
"""Pairs of each kind of digits in a large batch."""
PORTED = {"digits": 50, "ResNet-18": 6}
"""Pairs of each kind that the port is given: it takes up to a minute for one of ResNet-18's."""
OUTSIDE = 1e-3
"""Pixels this far outside [0, 1] are outside; less is rounding."""
OURS, ALONE, STRAIGHT = "batched", "one pair at a time", "straight line"
SINGLE = "one pair and one point at a time"
PORT = "port of Vrabel et al. (2025)"
POINTS = {STRAIGHT: 101, OURS: 1001, PORT: 1001}
"""Of each path that are looked at; the straight line is there for comparison only."""


def settings() -> dict[str, tuple[Classifier, list[Pairs]]]:
    """Return classifiers with their pairs: the digits and, where it lies, ResNet-18."""
    found = {"digits": digits(PAIRS)}
    photographs = resnet_on_photographs()
    if photographs:
        classifier, data = photographs
        photos = data.subset(EXAMPLES).tensors()
        found["ResNet-18"] = pairs_of(classifier, *photos, "pgd(eps=4/255, steps=20)")
    return found


def digits(count: int) -> tuple[Classifier, list[Pairs]]:
    """Return the classifier of the digits with so many pairs of each kind."""
    images = load_images("digits").subset(EXAMPLES).tensors()
    return pairs_of(load_classifier(), *images, "pgd(eps=0.15, steps=20)", count)


def pairs_of(
    classifier: Classifier,
    images: torch.Tensor,
    labels: torch.Tensor,
    recipe: str,
    count: int = PAIRS,
) -> tuple[Classifier, list[Pairs]]:
    """Return genuine-genuine, genuine-adversarial and adversarial-adversarial pairs."""
    crafted = craft(classifier, images, labels, recipe)
    genuine = pairs.genuine(images, labels, crafted.clean_predictions)
    fooled = pairs.adversarial(crafted.images, labels, crafted.predictions, crafted.success)
    return classifier, [
        pairs.genuine_genuine(genuine, count),
        pairs.genuine_adversarial(genuine, fooled, count),
        pairs.adversarial_adversarial(fooled, count),
    ]


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Find paths by `bypass` in one batch, pair by pair, and as the peer does; a row per figure.

    A pair by itself still has the points of its grid in one batch; the third contender has not.
    Times are medians over alternating repetitions of the search alone; the port, which takes a
    hundred times longer, has one, with ResNet-18 on the first 12 pairs of each kind. What the paths
    are worth is read off 1,001 points of each.
    """
    classifier, kinds = digits(MANY)
    found = _all_kinds("digits", classifier, kinds, repeats)
    for name, (classifier, kinds) in settings().items():
        found += _all_kinds(name, classifier, kinds, repeats)
        for some in kinds:
            found += _compare(name, classifier, some, repeats)
    return found


def _all_kinds(
    name: str, classifier: Classifier, kinds: list[Pairs], repeats: int
) -> list[dict[str, Any]]:
    """Return the times of pairs of all kinds in one batch."""
    everything = _together(kinds)
    label = f"{name}, {len(everything)} pairs of all kinds"
    return _times(label, classifier, everything, repeats, (OURS, ALONE))


def _together(kinds: list[Pairs]) -> Pairs:
    """Return the pairs of all kinds as one."""
    return Pairs(
        "all",
        torch.cat([some.first for some in kinds]),
        torch.cat([some.second for some in kinds]),
        torch.cat([some.labels for some in kinds]),
        tuple(name for some in kinds for name in some.ids),
    )


def _times(
    name: str, classifier: Classifier, some: Pairs, repeats: int, contenders: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return what the search takes in one batch, and pair by pair."""
    loss = Loss(classifier, some.labels)

    def batched() -> None:
        bypass(loss, some.first, some.second, threshold=THRESHOLD, budget=BUDGET)

    def alone(batch_size: int) -> None:
        for i in range(len(some)):
            one = slice(i, i + 1)
            bypass(
                loss.select(one), some.first[one], some.second[one], threshold=THRESHOLD,
                budget=BUDGET, batch_size=batch_size,
            )  # fmt: skip

    searches: dict[str, Callable[[], None]] = {
        OURS: batched,
        ALONE: lambda: alone(256),
        SINGLE: lambda: alone(1),
    }
    seconds: dict[str, list[float]] = {contender: [] for contender in contenders}
    for _ in range(repeats):
        for contender in contenders:
            begun = time.perf_counter()
            searches[contender]()
            seconds[contender].append(time.perf_counter() - begun)
    own = statistics.median(seconds[OURS])
    return [
        _row(name, c, "time per pair", statistics.median(s) / len(some), "s",
             statistics.median(s) / own)
        for c, s in seconds.items()
    ]  # fmt: skip


def _compare(name: str, classifier: Classifier, some: Pairs, repeats: int) -> list[dict[str, Any]]:
    """Return the rows of one kind of pairs."""
    few = slice(0, PORTED[name])
    name = f"{name}, {len(some)} {some.kind} pairs"
    found = _times(name, classifier, some, repeats, (OURS, ALONE, SINGLE))
    part = replace(
        some, first=some.first[few], second=some.second[few], labels=some.labels[few],
        ids=some.ids[few],
    )  # fmt: skip
    begun = time.perf_counter()
    ported = Port(classifier, THRESHOLD).paths(part)
    each = (time.perf_counter() - begun) / len(part)
    found.append(_row(name, PORT, "time per pair", each, "s", each / found[0]["value"],
                      f"first {len(part)} pairs, once"))  # fmt: skip
    loss = Loss(classifier, some.labels)
    ours = bypass(loss, some.first, some.second, threshold=THRESHOLD, budget=BUDGET)
    for contender, paths, of, note in (
        (STRAIGHT, straight_line(some.first, some.second), loss, ""),
        (OURS, ours, loss, ""),
        (PORT, ported, loss.select(few), f"first {len(part)} pairs"),
    ):
        for metric, value in _worth(of, paths, POINTS[contender]).items():
            found.append(_row(name, contender, metric, value, "", float("nan"), note))
    return found


def _worth(loss: Loss, paths: Paths, points: int) -> dict[str, float]:
    """Return what paths are worth."""
    figures = table(loss, paths, points=points)
    bent = figures["gradients"] > 0
    outside = ((paths.nodes < -OUTSIDE) | (paths.nodes > 1 + OUTSIDE)).flatten(1).any(1)
    return {
        f"share with barrier < {THRESHOLD:g}": float((figures["barrier"] < THRESHOLD).mean()),
        "largest barrier": float(figures["barrier"].max()),
        "median deviation / length": float(figures["deviation"].median()),
        "largest deviation / length": float(figures["deviation"].max()),
        "pairs bent": float(bent.sum()),
        "median deviation / length of the bent": float(figures["deviation"][bent].median()),
        "mean number of gradients": float(figures["gradients"].mean()),
        "largest number of gradients": float(figures["gradients"].max()),
        "mean number of forward passes": float(figures["forwards"].mean()),
        "share of pairs that leave the box": float(outside.double().mean()),
        "share of the bent that leave the box": float(outside[paths.gradients > 0].double().mean()),
        "share of points of the class": float(figures["kept"].mean()),
    }


def _row(
    name: str, contender: str, metric: str, value: float, unit: str, ratio: float, note: str = ""
) -> dict[str, Any]:
    return {
        "benchmark": f"paths, {name}",
        "contender": contender,
        "metric": metric,
        "value": value,
        "unit": unit,
        "ratio_to_ours": ratio,
        "note": note,
    }
