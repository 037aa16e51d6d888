"""What TensorBoard shows of an autoencoder's training: its numbers and, of images, the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from autoencoders.fitting import Rows
from autoencoders.model import Autoencoder
from core.models import evaluating
from core.training.history import Record
from core.training.watchers import Plan, TensorBoard

SHOWN = 8
SMALLEST = 64
"""Pixels of a shown image's side, at least: smaller ones are enlarged."""


class Reconstructions(TensorBoard):
    """Writes the epochs and, after each, a few images above their reconstructions.

    A hidden representation is no picture: of other layers than the input only the numbers are
    written. A continued run shows the numbers of all epochs, the pictures from where it went on.

    Args:
        folder: of the events.
        autoencoder: which is trained.
        rows: validation representations, of which the first few are shown.
        layer: what they are of.
    """

    def __init__(self, folder: Path, autoencoder: Autoencoder, rows: Rows, layer: str) -> None:
        super().__init__(folder)
        self.autoencoder = autoencoder
        pictures = layer == "input" and len(rows.shape) == 4 and rows.shape[1] in (1, 3)
        self.images = rows.tensors(slice(0, SHOWN)) if pictures else None
        self.recalled = False

    def begin(self, plan: Plan, history: Sequence[Record]) -> None:
        """Write anew the numbers of the earlier epochs."""
        self.recalled = True
        super().begin(plan, history)
        self.recalled = False

    def epoch(self, record: Record) -> None:
        """Write the numbers of an epoch, and what the images have become."""
        if self.images is not None and not self.recalled:
            device = self.autoencoder.standardise.mean.device
            with torch.no_grad(), evaluating(self.autoencoder):
                found = self.autoencoder(self.images.to(device)).cpu()
            self.writer.add_image("reconstructions", side_by_side(self.images, found), record.epoch)
        super().epoch(record)


def side_by_side(above: Tensor, below: Tensor) -> Tensor:
    """Return one picture `(c, h, w)` in [0, 1] of images `(n, c, h, w)` in a row, others below.

    >>> side_by_side(torch.zeros(5, 1, 8, 8), torch.ones(5, 1, 8, 8)).shape
    torch.Size([1, 128, 320])
    """
    factor = max(1, -(-SMALLEST // min(above.shape[2:])))
    rows = [
        torch.cat(list(functional.interpolate(part, scale_factor=factor)), 2)
        for part in (above, below)
    ]
    return torch.cat(rows, 1).clamp(0, 1)
