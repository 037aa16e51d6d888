"""Chains that move in coordinates in which what they draw from is about as wide everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from autoencoders.sampling.chains import Chains, LogDensity


@dataclass(frozen=True)
class Preconditioned:
    """A log density in coordinates `u` of points `z = centre + factor u`, own ones for each chain.

    A step of one size in all directions is as short as the narrowest direction asks for, and the
    widest one is crossed slowly. An affine change of coordinates is corrected for by a constant, so
    that draws of u, mapped back, are draws of z, whatever centre and factor are; they only decide
    how fast chains mix (Roberts and Rosenthal 2001, "Optimal scaling for various
    Metropolis-Hastings algorithms").

    Attributes:
        log_density: of points z `(chains, k)`.
        centres: `(chains, k)`.
        factors: `(chains, k, k)`, such as Cholesky factors of covariances.
    """

    log_density: LogDensity
    centres: Tensor
    factors: Tensor

    def __call__(self, coordinates: Tensor) -> Tensor:
        """Return the log density at coordinates `(chains, k)`, `(chains,)`, up to a constant."""
        return self.log_density(self.back(coordinates))

    def of(self, points: Tensor) -> Tensor:
        """Return the coordinates of points `(chains, k)`."""
        away = (points - self.centres).unsqueeze(2)
        return torch.linalg.solve(self.factors, away).squeeze(2)

    def back(self, coordinates: Tensor) -> Tensor:
        """Return the points of coordinates `(..., chains, k)`."""
        return self.centres + torch.einsum("cij,...cj->...ci", self.factors, coordinates)

    def drawn(self, chains: Chains) -> Chains:
        """Return chains of coordinates as chains of points; their steps stay in coordinates."""
        return replace(chains, draws=self.back(chains.draws))
