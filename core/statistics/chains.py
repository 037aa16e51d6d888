"""Whether Markov chains have mixed, and how many independent draws they are worth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import rankdata

from core.errors import InputError

LEAST_DRAWS = 8
"""Of a chain: fewer cannot be split and compared."""


def split_r_hat(draws: ArrayLike) -> Any:
    """Return the potential scale reduction of chains, split in halves and rank-normalised.

    The larger of two: that of the draws themselves and that of their distances from the median, so
    that neither chains in different places nor chains of different widths pass. About 1 where all
    chains see one distribution; above 1.01 (strictly) or 1.05 (laxly) they have not mixed. Vehtari
    et al. 2021, "Rank-normalization, folding, and localization: an improved R-hat".

    Args:
        draws: `(n, chains, ...)`, at least 8 of each chain.

    Returns:
        `(...)`; 1 where nothing varies.

    >>> import numpy as np
    >>> draws = np.random.default_rng(0).normal(size=(500, 4))
    >>> bool(split_r_hat(draws) < 1.01), bool(split_r_hat(draws + np.arange(4)) > 1.5)
    (True, True)
    """
    halves = _halves(draws)
    folded = np.abs(halves - np.median(halves, axis=(0, 1)))
    return np.maximum(_r_hat(_normal_scores(halves)), _r_hat(_normal_scores(folded)))


def effective_sample_size(draws: ArrayLike) -> Any:
    """Return how many independent draws the mean over all chains is worth.

    `chains n / tau`, with `tau` the sum of the autocorrelations over lags, between chains included,
    cut where the sums of neighbouring pairs fall below 0 and made to fall monotonically (Geyer
    1992; Vehtari et al. 2021). Chains are split in halves first. Antithetic chains can be worth
    more than they have draws.

    Args:
        draws: `(n, chains, ...)`, at least 8 of each chain.

    Returns:
        `(...)`; the number of draws where nothing varies.

    >>> import numpy as np
    >>> steps = np.random.default_rng(0).normal(size=(2000, 4))
    >>> slow = np.zeros_like(steps)
    >>> for i in range(1, 2000): slow[i] = 0.8 * slow[i - 1] + steps[i]
    >>> bool(abs(effective_sample_size(slow) / (8000 * 0.2 / 1.8) - 1) < 0.2)
    True
    """
    halves = _halves(draws)
    n, chains = halves.shape[:2]
    rest = halves.shape[2:]
    flat = halves.reshape(n, chains, -1)
    found = [_effective(flat[:, :, i]) for i in range(flat.shape[2])]
    return np.array(found).reshape(rest)[()]


def mean_error(draws: ArrayLike) -> Any:
    """Return the standard error of the mean over all chains, from the effective sample size."""
    values = np.asarray(draws, dtype=float)
    spread = values.reshape(-1, *values.shape[2:]).std(axis=0, ddof=1)
    return spread / np.sqrt(effective_sample_size(values))


def _halves(draws: ArrayLike) -> np.ndarray:
    """Return every chain as two, `(n // 2, 2 chains, ...)`."""
    values = np.asarray(draws, dtype=float)
    if values.ndim < 2 or len(values) < LEAST_DRAWS:
        raise InputError(
            f"draws: expected (n, chains, ...) with n of at least {LEAST_DRAWS}, found shape "
            f"{values.shape}."
        )
    if not np.isfinite(values).all():
        raise InputError("draws: not all of them are finite.")
    half = len(values) // 2
    return np.concatenate([values[:half], values[-half:]], axis=1)


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Return the normal quantiles of the ranks over all draws of all chains."""
    n, chains = values.shape[:2]
    ranks = rankdata(values.reshape(n * chains, -1), axis=0).reshape(values.shape)
    scores: np.ndarray = ndtri((ranks - 0.375) / (n * chains + 0.25))
    return scores


def _r_hat(values: np.ndarray) -> np.ndarray:
    n = len(values)
    within = values.var(axis=0, ddof=1).mean(axis=0)
    between = n * values.mean(axis=0).var(axis=0, ddof=1)
    total = (n - 1) / n * within + between / n
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(total / within)
    still: np.ndarray = np.where(total > 0, ratio, 1.0)
    return still


def _effective(values: np.ndarray) -> float:
    """Return the effective sample size of one quantity, `(n, chains)`."""
    n, chains = values.shape
    within = values.var(axis=0, ddof=1).mean()
    total = (n - 1) / n * within + values.mean(axis=0).var(ddof=1)
    if total <= 0:
        return float(n * chains)
    covariance = _autocovariances(values).mean(axis=1)
    correlation = 1 - (within - covariance * n / (n - 1)) / total
    correlation[0] = 1.0
    even = n // 2
    pairs = correlation[0 : 2 * even : 2] + correlation[1 : 2 * even : 2]
    below = np.flatnonzero(pairs < 0)
    pairs = np.minimum.accumulate(pairs[: below[0] if len(below) else even])
    tau = max(2 * pairs.sum() - 1, 1 / np.log10(n * chains))
    return float(n * chains / tau)


def _autocovariances(values: np.ndarray) -> np.ndarray:
    """Return the autocovariances of each chain at all lags, `(n, chains)`, over `n`."""
    n = len(values)
    centred = values - values.mean(axis=0)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size, axis=0)
    found: np.ndarray = np.fft.irfft(spectrum * spectrum.conj(), size, axis=0)[:n] / n
    return found
