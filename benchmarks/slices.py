"""Planes through three inputs: all at once, as a dataset of points, and one point at a time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from attacks import craft
from benchmarks.photographs import resnet_on_photographs
from core.data import ImageSet, load_images
from core.models import load_classifier
from landscape import Loss, slices
from landscape.slices.planes import PlaneSlice

OURS, POINTS, SINGLE = (
    "inputscape, all planes at once",
    "a dataset of points, one plane at a time",
    "one point at a time",
)
BATCH = 256


class PlanePoints(Dataset[Tensor]):
    """The points of one plane, each made when it is asked for."""

    def __init__(self, found: PlaneSlice, example: int) -> None:
        self.origin = found.plane.origin[example]
        self.axes = found.plane.axes[example]
        b, a = torch.meshgrid(found.b[example], found.a[example], indexing="ij")
        self.places = torch.stack([a.flatten(), b.flatten()], 1).to(self.axes)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Tensor:
        a, b = self.places[index]
        point: Tensor = self.origin + a * self.axes[0] + b * self.axes[1]
        return point


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Evaluate planes three ways, and return one row per figure.

    The second way is that of scripts for decision boundaries (a data set whose items are points),
    the third that of packages for loss landscapes (a loop over the grid). All logits are kept by
    all. Times are medians over alternating repetitions.
    """
    settings: list[tuple[str, nn.Module, ImageSet, str, int, int]] = [
        ("digits", load_classifier(), load_images("digits"), "pgd(eps=0.2, steps=10)", 16, 61)
    ]
    photographs = resnet_on_photographs()
    if photographs:
        settings.append(("ResNet-18", *photographs, "pgd(eps=4/255, steps=10)", 2, 31))
    return [
        row
        for name, classifier, data, recipe, count, side in settings
        for row in _compare(name, classifier, data, recipe, count, side, repeats)
    ]


def _compare(
    name: str,
    classifier: nn.Module,
    data: ImageSet,
    recipe: str,
    count: int,
    side: int,
    repeats: int,
) -> list[dict[str, Any]]:
    images, labels = data.subset(4 * count).tensors()
    crafted = craft(classifier, images, labels, recipe)
    some = crafted.success.nonzero().squeeze(1)[:count]
    first, second = images[some], crafted.images[some]
    # The same other image for all: how it is chosen is no part of the work that is timed.
    third = images[-1:].expand_as(first).clone()
    loss = Loss(classifier, labels[some])
    found = slices.three_inputs(loss, first, second, third, points=side)

    def ours() -> Tensor:
        seen = slices.three_inputs(
            loss, first, second, third, points=side, batch_size=BATCH
        ).seen  # fmt: skip
        assert seen.logits is not None
        return seen.logits.flatten(0, 2)

    def as_points(size: int) -> Tensor:
        parts = []
        with torch.no_grad():
            for i in range(len(some)):
                for points in DataLoader(PlanePoints(found, i), batch_size=size):
                    parts.append(classifier(points))
        return torch.cat(parts)

    ways: dict[str, Callable[[], Tensor]] = {
        OURS: ours,
        POINTS: lambda: as_points(BATCH),
        SINGLE: lambda: as_points(1),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    kept: dict[str, Tensor] = {}
    for _ in range(repeats):
        for way, evaluate in ways.items():
            begun = time.perf_counter()
            kept[way] = evaluate()
            seconds[way].append(time.perf_counter() - begun)
    own = statistics.median(seconds[OURS])
    what = f"slices: {name}, {len(some)} planes of {side} x {side} points"
    table = []
    for way in ways:
        taken = statistics.median(seconds[way])
        table.append(_row(what, way, "time", taken, "s", taken / own))
        apart = float((kept[way] - kept[OURS]).abs().amax())
        table.append(_row(what, way, "largest difference of a logit", apart, "", float("nan")))
    return table


def _row(what: str, way: str, metric: str, value: float, unit: str, ratio: float) -> dict[str, Any]:
    return {
        "benchmark": what, "contender": way, "metric": metric, "value": value, "unit": unit,
        "ratio_to_ours": ratio, "note": "",
    }  # fmt: skip
