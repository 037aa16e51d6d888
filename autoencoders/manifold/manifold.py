"""A learnt manifold as a classifier sees it: latents decoded into its input, or into a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from autoencoders.designs import VECTORS
from autoencoders.model import Autoencoder
from core.errors import InputError
from core.layers import INPUT, capture, replacing

Shown = Callable[[Tensor], Tensor]


class Manifold:
    """What an autoencoder can decode, in the place of a layer's output.

    Args:
        autoencoder: of the layer, trained, in eval mode.
        classifier: whose layer it is.
        layer: its name; at `input` a decoded latent is an image, kept in the box `[0, 1]`; at a
            hidden layer it is a representation that the rest of the classifier goes on with.

    Raises:
        InputError: the autoencoder's latent is no vector, or it was never trained.

    Attributes:
        spread: `(k,)`, the standard deviation of each number of the latent over genuine examples:
            the unit in which one moves.
    """

    def __init__(self, autoencoder: Autoencoder, classifier: nn.Module, layer: str = INPUT) -> None:
        if autoencoder.spread is None:
            raise InputError(
                f"autoencoder: one cannot move in the latent of a {autoencoder.kind}, which is no "
                f"vector of numbers; expected one of {', '.join(VECTORS)}."
            )
        if not bool((autoencoder.spread > 0).any()):
            raise InputError("autoencoder: it was never trained: the spread of its latent is 0.")
        self.autoencoder, self.classifier, self.layer = autoencoder, classifier, layer
        self.spread = autoencoder.spread
        self._shown: Tensor

    def encode(self, images: Tensor) -> Tensor:
        """Return the latents `(n, k)` of images `(n, ...)`, or of their representations."""
        with torch.no_grad():
            rows = images
            if self.layer != INPUT:
                rows = capture(self.classifier, [self.layer], images)[self.layer]
            if tuple(rows.shape[1:]) != self.autoencoder.shape:
                raise InputError(
                    f"autoencoder: is of shape {self.autoencoder.shape}, but {self.layer} of the "
                    f"classifier has shape {tuple(rows.shape[1:])}."
                )
            return self.autoencoder.encode(rows.to(self.spread.dtype))

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images `(n, ...)` of latents, clipped to the box, or the representations."""
        rows = self.autoencoder.decode(latents)
        return rows.clamp(0, 1) if self.layer == INPUT else rows

    @contextmanager
    def seen(self, images: Tensor) -> Iterator[Shown]:
        """Let the classifier see decoded latents in place of these images, or of their layer.

        The block is given a function that turns latents, one for each of the images, into what the
        classifier has to be run on, differentiably.
        """

        def decoded(latents: Tensor) -> Tensor:
            rows = self.decode(latents)
            self._shown = rows.detach().to(images.dtype)
            return rows.to(images.dtype)

        if self.layer == INPUT:
            yield decoded
            return
        current: list[Tensor] = []

        def held(latents: Tensor) -> Tensor:
            current[:] = [decoded(latents)]
            return images

        with replacing(self.classifier, self.layer, lambda _: current[0]):
            yield held

    @property
    def shown(self) -> Tensor:
        """What the classifier saw last, to the bit: images or representations, one per latent."""
        return self._shown
