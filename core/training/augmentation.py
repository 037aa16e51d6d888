"""Random crops and horizontal flips of a whole batch at once, decided per image and epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.data import ImageSet
from core.randomness import generator


@dataclass(frozen=True)
class Views:
    """What is seen of each image: offsets of its window, and whether it is flipped, all `(n,)`.

    `top` and `left` are the pixels that the window has moved down and to the right.
    """

    top: Tensor
    left: Tensor
    flipped: Tensor

    def __getitem__(self, images: Tensor) -> Views:
        return Views(self.top[images], self.left[images], self.flipped[images])


def resolve(augmentation: str, images: ImageSet) -> str:
    """Return what `auto` means for an image set: `crop_flip` for photographs, `none` for digits.

    Photographs are what has colour, except SVHN, the one common set of digits in colour.
    """
    if augmentation != "auto":
        return augmentation
    photographs = images.shape[0] == 3 and "svhn" not in images.spec.lower()
    return "crop_flip" if photographs else "none"


def draw(augmentation: str, n: int, shape: tuple[int, ...], seed: int, epoch: int) -> Views | None:
    """Draw the views of `n` images of `shape` `(c, h, w)` in one epoch; `None` for `none`.

    The window moves by up to an eighth of each side. The numbers depend on the seed, the epoch and
    the image's index alone: neither the batch size nor an interruption changes a view.
    """
    if augmentation == "none":
        return None
    stream = generator(seed, f"epoch {epoch}", "training views")
    offsets = [stream.integers(-(side // 8), side // 8 + 1, n) for side in shape[1:]]
    flipped = stream.integers(0, 2, n) == 1
    return Views(
        torch.from_numpy(offsets[0]),
        torch.from_numpy(offsets[1]),
        torch.from_numpy(flipped & (augmentation == "crop_flip")),
    )


def apply(images: Tensor, views: Views) -> Tensor:
    """Return images `(n, c, h, w)`, of any type, as their views show them.

    Outside the image its mirror is seen. One gather serves the batch.

    >>> row = torch.tensor([[[[1, 2, 3, 4]]]], dtype=torch.uint8)
    >>> one = torch.tensor([1])
    >>> apply(row, Views(0 * one, one, one == 1)).flatten().tolist()
    [3, 4, 3, 2]
    """
    n, c, h, w = images.shape
    device = images.device
    rows = _mirrored(torch.arange(h, device=device) + views.top.to(device)[:, None], h)
    ahead = torch.arange(w, device=device).expand(n, w)
    along = torch.where(views.flipped.to(device)[:, None], ahead.flip(1), ahead)
    columns = _mirrored(along + views.left.to(device)[:, None], w)
    pixels = (rows[:, :, None] * w + columns[:, None, :]).view(n, 1, h * w)
    return images.reshape(n, c, h * w).gather(2, pixels.expand(n, c, h * w)).view(n, c, h, w)


def _mirrored(index: Tensor, size: int) -> Tensor:
    """Fold indices that lie outside `[0, size)` by less than `size` back into it."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)
