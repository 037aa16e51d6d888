"""A latent space: an autoencoder, the latents of its training images, and their density."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from autoencoders.latents.coordinates import Coordinates
from autoencoders.latents.density import ClassGaussians
from autoencoders.model import Autoencoder
from core.representations.streamed import StreamedRows

COMPONENTS = 64
"""Principal components that stand for latents which are maps."""
MOST_NUMBERS = 2**25
"""Numbers of latents that components are found from."""


@dataclass(frozen=True, eq=False)
class Space:
    """One latent space.

    Attributes:
        autoencoder: in eval mode, on its device.
        coordinates: latents as vectors.
        train: one row per training image: `id`, `label`, `z` (its coordinates), `error` (the l2
            length of its reconstruction's error) and `scale` (of the space as a whole).
    """

    autoencoder: Autoencoder
    coordinates: Coordinates
    train: pd.DataFrame

    @cached_property
    def points(self) -> np.ndarray:
        """The coordinates of the training images, `(n, k)`."""
        return np.stack(self.train["z"].tolist()).astype(np.float64)

    @cached_property
    def labels(self) -> np.ndarray:
        """Their classes, `(n,)`."""
        return self.train["label"].to_numpy()

    @cached_property
    def density(self) -> ClassGaussians:
        """The density of the coordinates, a Gaussian per class."""
        return ClassGaussians.fit(self.points, self.labels)

    @property
    def scale(self) -> float:
        """The root mean square deviation of the latent's numbers over the training images."""
        return float(self.train["scale"].iloc[0])

    @property
    def middle(self) -> Tensor:
        """The mean of the training latents, `(k,)`; 0 for latents that are maps."""
        if self.coordinates.components is not None:
            return torch.zeros(())
        return torch.from_numpy(self.points.mean(0))

    def log_density(self, latents: Tensor) -> Tensor:
        """Return the log density of the coordinates of latents, `(n,)`, float64 on the CPU."""
        return self.density.log_density(self.coordinates(latents))


def coordinates_of(autoencoder: Autoencoder, rows: StreamedRows, continuous: bool) -> Coordinates:
    """Return how the latents of an autoencoder become vectors, from training representations."""
    if continuous:
        return Coordinates()
    first = _encoded(autoencoder, rows[:1])
    most = min(len(rows), max(COMPONENTS + 1, MOST_NUMBERS // max(first.numel(), 1)))
    chosen = np.unique(np.linspace(0, len(rows) - 1, most).astype(int))
    parts = [
        _encoded(autoencoder, rows[chosen[start : start + rows.batch_size]]).cpu()
        for start in range(0, len(chosen), rows.batch_size)
    ]
    return Coordinates.fit(torch.cat(parts).numpy(), COMPONENTS)


def training_table(
    autoencoder: Autoencoder, coordinates: Coordinates, rows: StreamedRows
) -> pd.DataFrame:
    """Return the rows of `Space.train`."""
    z, errors = [], []
    first: Tensor | float = 0.0
    second, count = 0.0, 0
    for _, part in rows.batches(rows.batch_size):
        given = torch.from_numpy(part).to(autoencoder.standardise.mean.device)
        with torch.no_grad():
            latents = autoencoder.encode(given)
            residual = (autoencoder.decode(latents) - given).flatten(1).double()
        z.append(coordinates(latents))
        errors.append(residual.norm(dim=1).cpu())
        flat = latents.flatten(1).double()
        first, second, count = (
            first + flat.sum(0),
            second + float(flat.square().sum()),
            count + len(flat),
        )
    assert isinstance(first, Tensor)
    mean = first / count
    variance = max(second / count - float(mean.square().sum()), 0.0) / len(mean)
    points = torch.cat(z).numpy()
    return pd.DataFrame(
        {
            "id": rows.images.ids.astype(str),
            "label": rows.images.labels,
            "z": list(points),
            "error": torch.cat(errors).numpy(),
            "scale": variance**0.5,
        }
    )


def _encoded(autoencoder: Autoencoder, part: np.ndarray) -> Tensor:
    with torch.no_grad():
        return autoencoder.encode(
            torch.from_numpy(np.asarray(part, np.float32)).to(autoencoder.standardise.mean.device)
        )
