"""Latents as vectors that are short enough to have a density."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, from_numpy

from autoencoders.quality.baselines import PrincipalComponents
from core.files import atomic_file
from core.representations import moments


@dataclass(frozen=True)
class Coordinates:
    """Latents `(n, ...)` as vectors `(n, k)`: as they are, or along their principal components.

    The latent of an `ae`, `dae` or `vae` is a vector already. Maps of codes and of active entries
    have thousands of numbers, more than a covariance can be estimated for: of those the coordinates
    along the first principal components of the training latents are taken. What lies beside these
    components is not seen.

    Attributes:
        components: what is projected on; None: nothing is.
    """

    components: PrincipalComponents | None = None

    @staticmethod
    def fit(latents: np.ndarray, count: int) -> Coordinates:
        """Return coordinates along the first `count` components of latents `(n, ...)`."""
        return Coordinates(PrincipalComponents.fit(latents, moments(latents), count))

    def __call__(self, latents: Tensor) -> Tensor:
        """Return latents `(n, ...)` as vectors `(n, k)`, float64 on the CPU."""
        if self.components is None:
            return latents.detach().flatten(1).double().cpu()
        return from_numpy(self.components.encode(latents.detach().cpu().numpy()))

    def save(self, path: Path) -> None:
        """Write the components as .npz, atomically."""
        kept = self.components
        arrays = {} if kept is None else vars(kept)
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    @staticmethod
    def load(path: Path) -> Coordinates:
        """Return the coordinates that `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return Coordinates(PrincipalComponents(**arrays) if arrays.files else None)
