"""torchvision's classic image sets, from a folder where they lie already; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.arrays import Arrays, check, to_nchw
from core.errors import InputError

SPLITS = ("train", "test")


@dataclass(frozen=True)
class VisionSet:
    """One of torchvision's sets: its class, its folder below the root, and how to open a split."""

    name: str
    files: str
    arguments: Callable[[str], dict[str, Any]]


def _train_flag(split: str) -> dict[str, Any]:
    return {"train": split == "train"}


VISION_SETS = {
    "cifar10": VisionSet("CIFAR10", "cifar-10-batches-py/*", _train_flag),
    "cifar100": VisionSet("CIFAR100", "cifar-100-python/*", _train_flag),
    "mnist": VisionSet("MNIST", "MNIST/raw/*", _train_flag),
    "fashionmnist": VisionSet("FashionMNIST", "FashionMNIST/raw/*", _train_flag),
    "svhn": VisionSet("SVHN", "*_32x32.mat", lambda split: {"split": split}),
}


def files_of(name: str, root: Path) -> list[str]:
    """Return the files of a set below its root.

    Raises:
        InputError: if there are none.
    """
    pattern = VISION_SETS[name].files
    found = sorted(str(path) for path in root.glob(pattern) if path.is_file())
    if not found:
        raise InputError(
            f"--data: {name}: nothing found at {root / pattern}; nothing is downloaded."
        )
    return found


def read_split(name: str, root: Path, split: str) -> Arrays:
    """Read a split with torchvision, which checks the files it knows.

    Raises:
        InputError: if files are missing or damaged.
    """
    from core.vision import torchvision

    datasets = torchvision().datasets
    known = VISION_SETS[name]
    try:
        opened = getattr(datasets, known.name)(root, download=False, **known.arguments(split))
    except (RuntimeError, OSError, ValueError, EOFError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"--data: {name}: {root} cannot be used ({first}).") from error
    images = np.asarray(opened.data)
    labels = np.asarray(opened.labels if name == "svhn" else opened.targets)
    return check(
        np.ascontiguousarray(to_nchw(images, name)),
        labels,
        where=f"{name}:{root}",
        ids=[f"{split}/{i:06d}" for i in range(len(images))],
        class_names=getattr(opened, "classes", None) or [str(digit) for digit in range(10)],
    )
