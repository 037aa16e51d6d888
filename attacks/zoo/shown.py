"""The classifier as an attack of torchattacks sees it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attacks.active import check_finite
from attacks.counting import Counting
from attacks.noisy import NoisyClassifier
from attacks.zoo.randomness import Translated
from core.errors import InputError


class Shown(nn.Module):
    """Takes images `(n, c, h, w)` whatever shape they really have, and keeps the books.

    The attack finds no parameter of the classifier, and no mode to switch.

    Args:
        counting: the classifier, which counts its passes.
        shape: of one real image.
        rows: `(n,)` which examples are attacked.
        ids: names of all examples.
        device: where the classifier computes.
        batch_size: the most points evaluated at once where no gradient is asked for.
        raised: whether logits are shifted so that the smallest is 0.
        noisy: whose gradients are used in place of the classifier's.
    """

    def __init__(
        self,
        counting: Counting,
        shape: Sequence[int],
        rows: Tensor,
        ids: Sequence[str],
        device: torch.device,
        batch_size: int,
        raised: bool = False,
        noisy: NoisyClassifier | None = None,
    ) -> None:
        super().__init__()
        self._counting = (counting,)
        self.shape = tuple(shape)
        self.rows = rows
        self.ids = ids
        self.batch_size = batch_size
        self.raised = raised
        self.noisy = noisy
        self.step = 0
        self.translated: Translated | None = None
        # Read by the attack to learn the device.
        self.place = nn.Parameter(torch.empty(0, device=device), requires_grad=False)

    def attacked(self, images: Tensor) -> Tensor:
        """Return real images in the attack's shape."""
        return images.reshape(len(images), *four_dimensional(self.shape)).clone()

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(n, k)`."""
        if self.translated is None:
            return self.logits(images)
        with self.translated.asleep():
            return self.logits(images)

    def logits(self, images: Tensor) -> Tensor:
        """Run the classifier, or the next noisy one where a gradient is asked for."""
        (counting,) = self._counting
        points = images.reshape(len(images), *self.shape)
        climbing = points.requires_grad and torch.is_grad_enabled()
        with counting.serving(self.rows):
            if climbing and self.noisy is not None:
                with counting.reweighted(self.noisy.parameters(self.step)):
                    logits = counting(points)
                self.step += 1
            elif climbing:
                logits = counting(points)
            else:
                # A single image's candidates, as many at once as a batch may have.
                size = self.batch_size if len(self.rows) == 1 else max(len(points), 1)
                logits = torch.cat([counting(part) for part in points.split(size)])
        if climbing and not logits.requires_grad:
            raise InputError("--model: its logits are not a differentiable function of the image.")
        # An attack that has lost itself is its own affair; a classifier that fails is not.
        real = torch.isfinite(points.detach()).flatten(1).all(1)
        each = len(points) // max(len(self.rows), 1)
        rows = self.rows.repeat_interleave(each)
        if bool(real.any()):
            check_finite(logits.detach()[real], rows.to(real.device)[real], self.ids, "logits")
        if self.raised:
            logits = logits - logits.detach().amin(1, keepdim=True)
        return logits


def four_dimensional(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return channels, rows and columns of an image of any shape."""
    if len(shape) == 3:
        return (shape[0], shape[1], shape[2])
    if len(shape) == 2:
        return (1, shape[0], shape[1])
    return (1, 1, int(torch.Size(shape).numel()))
