"""Representations that are computed whenever they are asked for, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from core.data import ImageSet
from core.layers import capture
from core.models import Classifier, evaluating
from core.representations.forms import formed
from core.representations.sharded import Indices


@dataclass(frozen=True, eq=False)
class StreamedRows:
    """The representations of images at one layer, `(n, ...)`, read as a `ShardedArray` is.

    For layers that are too large for the disk, or too cheap to be worth it: the image itself costs
    nothing. Every reading makes a forward pass that ends at the layer.

    Attributes:
        classifier: on the device to compute on.
        images: the image set.
        layer: its name.
        form: see `core.representations.forms`.
        batch_size: images in one forward pass.
    """

    classifier: Classifier
    images: ImageSet
    layer: str
    form: str = "whole"
    batch_size: int = 256

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows together."""
        return (len(self.images), *self.tensors([0]).shape[1:])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Indices) -> np.ndarray:
        """Return rows, as `ShardedArray` does."""
        if isinstance(indices, int | np.integer):
            return self[[int(indices)]][0]
        return self.tensors(indices).numpy()

    def batches(self, batch_size: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows in order, at most `batch_size` at once: places, rows."""
        for start in range(0, len(self), batch_size):
            places = slice(start, min(start + batch_size, len(self)))
            yield places, self[places]

    def tensors(
        self, indices: Indices, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
    ) -> Tensor:
        """Return rows as a tensor, in float32 unless another type is named."""
        wanted = np.arange(len(self.images))[indices]
        own = next(self.classifier.parameters(), torch.empty(0)).device
        found = []
        with torch.no_grad(), evaluating(self.classifier):
            for start in range(0, len(wanted), self.batch_size):
                part = wanted[start : start + self.batch_size]
                images, _ = self.images.tensors(part, device=own)
                output = capture(self.classifier, [self.layer], images)[self.layer]
                found.append(formed(output, self.form, self.layer).to(device))
        return torch.cat(found).to(dtype or torch.float32)
