"""The passes that an attack spends, counted per example, whoever runs the classifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call


class Counting(nn.Module):
    """A classifier that counts, per example, how often it is run forwards and backwards.

    Inside `serving(rows)` the rows of a batch (or of several copies of it, stacked copy after copy)
    are known to belong to these examples. A backward pass counts when a gradient arrives at the
    logits, whoever asked for it.
    """

    def __init__(self, classifier: nn.Module, examples: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.forwards = torch.zeros(examples, dtype=torch.int64)
        self.backwards = torch.zeros(examples, dtype=torch.int64)
        self._rows = torch.zeros(0, dtype=torch.int64)
        self._replaced: Mapping[str, Tensor] | None = None

    @contextmanager
    def reweighted(self, parameters: Mapping[str, Tensor]) -> Iterator[None]:
        """Run the classifier with these in place of its own parameters inside the block."""
        before, self._replaced = self._replaced, parameters
        try:
            yield
        finally:
            self._replaced = before

    @contextmanager
    def serving(self, rows: Tensor) -> Iterator[None]:
        """Attribute the passes inside the block to these examples."""
        before, self._rows = self._rows, rows.cpu()
        try:
            yield
        finally:
            self._rows = before

    def forward(self, images: Tensor) -> Tensor:
        """Run the classifier, `(n, ...) -> (n, k)`."""
        rows = self._rows.repeat(len(images) // max(len(self._rows), 1))
        self.forwards.index_add_(0, rows, torch.ones_like(rows))
        if self._replaced is None:
            logits = self.classifier(images)
        else:
            logits = functional_call(self.classifier, dict(self._replaced), (images,))
        if logits.requires_grad:

            def count(_: Tensor) -> None:
                self.backwards.index_add_(0, rows, torch.ones_like(rows))

            logits.register_hook(count)
        return logits
