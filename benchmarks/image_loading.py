"""Image loading against torchvision's `ImageFolder`: one epoch in batches of 256 float tensors.

The images are the train split of tiny-imagenet-20 (environment variable INPUTSCAPE_TINY_IMAGENET:
its folder), or 2,000 JPEGs of 64 x 64 made for the occasion where it is absent. Both sides visit
them in the same order and must yield the same tensors.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from core.data import load_images
from core.vision import torchvision

BATCH = 256
BENCHMARK = "image loading against torchvision ImageFolder"
OURS = "inputscape, decoded images in the cache"

Batches = Iterator[tuple[Tensor, Tensor]]


def rows(repeats: int = 3) -> list[dict[str, Any]]:
    """Return the rows of this benchmark: median seconds per epoch, repetitions alternating."""
    with tempfile.TemporaryDirectory() as folder:
        given = os.environ.get("INPUTSCAPE_TINY_IMAGENET")
        root = Path(given) if given else _made_up(Path(folder) / "images")
        return _measure(root, Path(folder) / "cache", repeats)


def _measure(root: Path, cache: Path, repeats: int) -> list[dict[str, Any]]:
    vision = torchvision()
    folder = vision.datasets.ImageFolder(root / "train", transform=vision.transforms.ToTensor())
    for path, _ in folder.samples:
        Path(path).read_bytes()  # so that neither side waits for the disk
    started = time.perf_counter()
    images = load_images(root, split="train", cache=cache)
    first_pass = time.perf_counter() - started

    contenders: dict[str, Callable[[], Batches]] = {
        OURS: lambda: images.batches(BATCH),
        "ImageFolder, 0 workers": lambda: iter(DataLoader(folder, batch_size=BATCH)),
        "ImageFolder, 2 workers": lambda: iter(DataLoader(folder, batch_size=BATCH, num_workers=2)),
    }
    _agree(contenders[OURS], contenders["ImageFolder, 0 workers"])
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, start in contenders.items():
            seconds[name].append(_epoch(start))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    best = min((name for name in contenders if name != OURS), key=medians.__getitem__)
    note = f"{len(folder)} images of {'x'.join(map(str, images.shape))}, batches of {BATCH}"
    threads = f"{torch.get_num_threads()} torch threads"

    def row(contender: str, metric: str, value: float, remark: str) -> dict[str, Any]:
        return {
            "benchmark": BENCHMARK,
            "contender": contender,
            "metric": metric,
            "value": value,
            "unit": "s",
            "ratio_to_ours": value / medians[OURS],
            "note": f"{note}; {remark}",
        }

    table = [row(name, "time of an epoch", value, threads) for name, value in medians.items()]
    table[list(medians).index(best)]["note"] += "; the best of ImageFolder"
    once = "once per data set: decode, write and open the cache"
    return [*table, row("inputscape, first pass", "time until the set is open", first_pass, once)]


def _epoch(start: Callable[[], Batches]) -> float:
    """Return the seconds of one pass over all batches, from nothing to the last."""
    started = time.perf_counter()
    for _ in start():
        pass
    return time.perf_counter() - started


def _agree(ours: Callable[[], Batches], theirs: Callable[[], Batches]) -> None:
    """Refuse to compare contenders that do not yield the same tensors."""
    for (images, labels), (others, other_labels) in zip(ours(), theirs(), strict=True):
        if not (torch.equal(images, others) and torch.equal(labels, other_labels)):
            raise RuntimeError("the contenders yield different tensors")


def _made_up(root: Path, examples: int = 2_000, classes: int = 20) -> Path:
    """Write smooth random JPEGs of 64 x 64 as class folders below root/train."""
    random = np.random.default_rng(0)
    for i in range(examples):
        path = root / "train" / f"{i % classes:02}" / f"{i:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        rough = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((64, 64), Image.Resampling.BICUBIC).save(path, quality=90)
    return root


if __name__ == "__main__":
    for found in rows():
        ratio = f"{found['value']:9.3f} s{found['ratio_to_ours']:9.1f}x"
        print(f"{found['contender']:42}{ratio}  {found['note']}")
