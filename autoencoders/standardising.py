"""Representations centred per number and scaled by one factor, and back."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import InputError
from core.representations import Moments


class Standardiser(nn.Module):
    """Takes the mean of every number off, and divides by the root mean variance of all.

    A large mean beside a small spread (which every layer after a ReLU has) predicts dead features,
    so activations are always centred. One factor for all numbers leaves the squared error what it
    is up to a constant: what is explained most is what varies most.

    Args:
        moments: of the training representations.

    Raises:
        InputError: nothing varies.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, moments: Moments) -> None:
        super().__init__()
        variance = moments.total / max(moments.mean.size, 1)
        if not math.isfinite(variance) or variance <= 0:
            raise InputError("--layers: the representations do not vary, so nothing can be learnt.")
        self.register_buffer("mean", torch.from_numpy(moments.mean.astype(np.float32)))
        self.register_buffer("scale", torch.tensor(math.sqrt(variance), dtype=torch.float32))

    def forward(self, rows: Tensor) -> Tensor:
        """Return representations `(n, ...)` in units of their own spread."""
        return (rows - self.mean.to(rows)) / self.scale.to(rows)

    def back(self, rows: Tensor) -> Tensor:
        """Return standardised representations in their own units."""
        return rows * self.scale.to(rows) + self.mean.to(rows)
