"""The batches of one epoch: which images, in which order, and how they are seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from core.data import ImageSet
from core.randomness import generator
from core.training import augmentation


class Batch(NamedTuple):
    """Images `(b, c, h, w)` in [0, 1], float32, their labels and places in the set, `(b,)`."""

    images: Tensor
    labels: Tensor
    places: np.ndarray


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return how many batches an epoch has: the incomplete last one is left out unless it is alone.

    >>> steps_per_epoch(1000, 128), steps_per_epoch(100, 128)
    (7, 1)
    """
    return max(1, n // batch_size)


def order(n: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order `(n,)` of the images in an epoch, a function of the seed and the epoch."""
    return generator(seed, f"epoch {epoch}", "training order").permutation(n)


def epoch_batches(
    images: ImageSet,
    *,
    batch_size: int,
    views: str,
    seed: int,
    epoch: int,
    device: torch.device,
    memory_format: torch.memory_format,
) -> Iterator[Batch]:
    """Yield the batches of an epoch.

    Pixels travel to the device as the bytes they are stored as, and are moved there.
    """
    drawn = augmentation.draw(views, len(images), images.shape, seed, epoch)
    shuffled = order(len(images), seed, epoch)
    for step in range(steps_per_epoch(len(images), batch_size)):
        chosen = shuffled[step * batch_size : (step + 1) * batch_size]
        pixels = images.gather(chosen).to(device)
        if drawn is not None:
            pixels = augmentation.apply(pixels, drawn[torch.from_numpy(chosen)])
        scaled = pixels.to(torch.float32).div_(255)
        labels = torch.from_numpy(images.labels[chosen])
        yield Batch(
            scaled.contiguous(memory_format=memory_format),
            labels.to(device),
            chosen,
        )
