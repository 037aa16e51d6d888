"""The classes that a classifier predicts, block by block."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def predictions(classifier: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    """Return the predicted classes of images `(n, ...)`, `(n,)`, on their device."""
    found = [torch.zeros(0, dtype=torch.int64, device=images.device)]
    with torch.no_grad():
        found += [classifier(part).argmax(1) for part in images.split(batch_size) if len(part)]
    return torch.cat(found)
