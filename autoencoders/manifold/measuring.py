"""How far off the manifold the examples of one table are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks.norms import lengths
from autoencoders.manifold.distance import ErrorScale, reconstruction_errors, tangent_residuals
from autoencoders.model import Autoencoder
from core.data import ImageSet


@dataclass(frozen=True)
class Batches:
    """The pixels of an image set in batches, as often as they are gone through."""

    images: ImageSet
    batch_size: int
    device: str

    def __iter__(self) -> Iterator[Tensor]:
        """Yield images `(b, c, h, w)`."""
        for pixels, _ in self.images.batches(self.batch_size, device=self.device):
            yield pixels


@dataclass(frozen=True)
class Instruments:
    """What distances off the manifold are measured with.

    Attributes:
        own: the autoencoder that the search used.
        judge: another one, trained from other weights in another order.
        known: training images, for the flats.
        neighbours, dimensions: of the flats.
        batch_size: images at once.
    """

    own: Autoencoder
    judge: Autoencoder
    known: Batches
    neighbours: int
    dimensions: int
    batch_size: int

    def raw(self, images: Tensor) -> pd.DataFrame:
        """Return errors and residuals in units of the pixels, one row per image."""
        return pd.DataFrame(
            {
                "own_error": reconstruction_errors(self.own, images, batch_size=self.batch_size),
                "error": reconstruction_errors(self.judge, images, batch_size=self.batch_size),
                "residual": tangent_residuals(
                    images,
                    self.known,
                    neighbours=self.neighbours,
                    dimensions=self.dimensions,
                ),
            }
        )


def measured(
    instruments: Instruments, scale: pd.DataFrame, genuine: Tensor, made: Tensor
) -> pd.DataFrame:
    """Return how far images are off the manifold, on the scale of genuine ones.

    Args:
        instruments: to measure with.
        scale: what `Instruments.raw` says of genuine images that are not among these.
        genuine: `(n, c, h, w)`.
        made: `(n, c, h, w)`, what was made of them.

    Returns:
        Columns z (the judge's error), own_z (that of the search's own autoencoder: too low for what
        its decoder has made), residual (a multiple of the median of genuine images), and
        latent_l2, the distance of the latents in units of their spread.
    """
    raw = instruments.raw(made)
    own, judge = (ErrorScale.of(scale[name].to_numpy()) for name in ("own_error", "error"))
    return pd.DataFrame(
        {
            "z": judge.z(raw["error"].to_numpy()),
            "own_z": own.z(raw["own_error"].to_numpy()),
            "residual": raw["residual"] / float(np.median(scale["residual"])),
            "latent_l2": _latent_distances(instruments.own, genuine, made),
        }
    )


def _latent_distances(autoencoder: Autoencoder, genuine: Tensor, made: Tensor) -> np.ndarray:
    """Return the l2 distances of the latents, each number in units of its spread."""
    assert autoencoder.spread is not None
    with torch.no_grad():
        moves = (autoencoder.encode(made) - autoencoder.encode(genuine)) / autoencoder.spread
    found: np.ndarray = lengths(moves.nan_to_num(0.0).double(), "l2").cpu().numpy()
    return found
