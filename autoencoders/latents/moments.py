"""The first four moments of every number of a latent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.errors import InputError


@dataclass(frozen=True)
class LatentMoments:
    """Moments over examples, `(k,)` each, in the latent's own units.

    Attributes:
        mean: of each number.
        deviation: its standard deviation, dividing by n.
        skewness: third standardised moment; 0 for a symmetric number, NaN for one that is constant.
        kurtosis: fourth standardised moment less 3; 0 for a Gaussian, NaN for a constant.
    """

    mean: np.ndarray
    deviation: np.ndarray
    skewness: np.ndarray
    kurtosis: np.ndarray


def latent_moments(points: np.ndarray) -> LatentMoments:
    """Return the moments of latents `(n, k)`, n >= 2.

    Raises:
        InputError: fewer than two latents, or another shape.

    >>> latent_moments(np.array([[0.0], [2.0]])).deviation
    array([1.])
    """
    values = checked_points(points)
    deviation = values.std(0)
    # A number that moves by rounding alone has no shape.
    still = deviation <= 1e-9 * np.maximum(1.0, np.abs(values).max(0))
    safe = np.where(still, np.arange(len(values))[:, None], values)
    skewness, kurtosis = stats.skew(safe, axis=0), stats.kurtosis(safe, axis=0)
    return LatentMoments(
        values.mean(0),
        deviation,
        np.where(still, np.nan, skewness),
        np.where(still, np.nan, kurtosis),
    )


def checked_points(points: np.ndarray, least: int = 2) -> np.ndarray:
    """Return latents as `(n, k)` in float64.

    Raises:
        InputError: another shape, fewer than `least`, or numbers that are not finite.
    """
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or len(values) < least or not values.shape[1]:
        raise InputError(
            f"latents: expected shape (n, k) with n of at least {least}, found {values.shape}."
        )
    if not np.isfinite(values).all():
        raise InputError("latents: not all of them are finite.")
    return values
