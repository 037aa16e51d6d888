"""The eigenvalues of the covariance of latents, and how many of them count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoencoders.latents.moments import checked_points


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of a covariance matrix, falling, `(min(n, k),)`."""

    variances: np.ndarray

    @property
    def participation(self) -> float:
        """The participation ratio, `(sum l)^2 / sum l^2`.

        k where all directions vary alike, 1 where one does all; NaN where none does.
        """
        squares = float(np.square(self.variances).sum())
        return float(self.variances.sum()) ** 2 / squares if squares > 0 else float("nan")

    def components(self, share: float) -> int:
        """Return how many of the first directions hold this share of the variance."""
        reached = np.cumsum(self.variances) / max(float(self.variances.sum()), 1e-300)
        return min(int(np.searchsorted(reached, share - 1e-12)) + 1, len(reached))


def covariance_spectrum(points: np.ndarray) -> Spectrum:
    """Return the eigenvalues of the covariance (over n) of latents `(n, k)`, n >= 2.

    >>> found = covariance_spectrum(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    >>> found.variances, found.participation
    (array([1., 0.]), 1.0)
    """
    values = checked_points(points)
    singular = np.linalg.svd(values - values.mean(0), compute_uv=False)
    return Spectrum(singular**2 / len(values))
