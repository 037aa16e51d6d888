"""How far measures of the same examples rise together, also with others held fixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from core.errors import InputError
from core.statistics.checks import Array, finite, level_of, pairs
from core.statistics.intervals import Interval, resample

# Resampled ranks are held for at most this many numbers at once (32 MB).
_BLOCK = 2**22
# Rank variance left below this share is rounding: the measure is a function of what is held fixed.
_NOTHING_LEFT = 1e-9


def spearman(
    x: ArrayLike, y: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Spearman's rank correlation of two measures of the same examples, with a bootstrap interval.

    Args:
        x: `(n,)`.
        y: `(n,)`; entry i belongs to the same example as `x[i]`.
        level: of confidence.
        resamples: of the examples (percentile bootstrap; ranks are taken anew in each).
        seed: of the resamples.

    Returns:
        The correlation, ties sharing their mean rank. A constant measure has none: NaN throughout.

    >>> spearman([1, 2, 3, 4], [1, 4, 9, 16]).estimate
    1.0
    """
    return partial_spearman(x, y, (), level=level, resamples=resamples, seed=seed)


def partial_spearman(
    x: ArrayLike,
    y: ArrayLike,
    controls: Sequence[ArrayLike],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Spearman's correlation of two measures with others held fixed, with a bootstrap interval.

    It is the correlation of what is left of the ranks of x and y after the least-squares
    regression of each on the ranks of the controls.

    Args:
        x: `(n,)`.
        y: `(n,)`.
        controls: any number of `(n,)`, none gives `spearman`.
        level: of confidence.
        resamples: of the examples (percentile bootstrap; ranks are taken anew in each).
        seed: of the resamples.

    Returns:
        The correlation; NaN throughout where x or y is constant or a function of the controls.

    Source: Conover, "Practical nonparametric statistics" (1999), 5.4.

    >>> size = [1, 2, 3, 4, 5, 6]
    >>> round(partial_spearman([2, 1, 4, 3, 6, 5], [1, 2, 4, 3, 5, 6], [size]).estimate, 2)
    0.56
    """
    pairs(x, y, ("x", "y"))
    for control in controls:
        pairs(x, control, ("x", "controls"))
    held = range(2, 2 + len(controls))
    columns = np.stack([np.asarray(c, dtype=np.float64) for c in (x, y, *controls)], axis=1)
    found = rank_correlations(
        columns,
        lambda matrix: partial_correlation(matrix, 0, 1, held)[..., None],
        level=level,
        resamples=resamples,
        seed=seed,
    )
    if np.isnan(found.estimate[0]):
        return Interval(np.nan, np.nan, np.nan, level)
    return found[0]


def rank_correlations(
    columns: ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of statistics of the matrix of all rank correlations of some measures.

    All measures are ranked anew in each resample, once for all statistics. A column that was sorted
    beforehand is ranked by a cumulative sum of how often each example was drawn, without sorting.

    Args:
        columns: `(n, k)`, k measures of n >= 2 examples.
        statistic: takes matrices `(..., k, k)` and returns `(..., m)`; correlations with a constant
            measure are NaN, and a resample in which a statistic is NaN is left out of its interval.
        level: of confidence, per interval (not simultaneous).
        resamples: of the examples.
        seed: of the resamples.

    Returns:
        An interval whose fields are `(m,)`. Cost: O(resamples n k^2).
    """
    rows = finite("columns", columns, ndim=(2,))
    level_of(level)
    n, k = rows.shape
    sorted_columns = [_ties(column) for column in rows.T]

    def of_index(index: Array) -> Array:
        drawn = np.atleast_2d(index)
        offset = n * np.arange(len(drawn))[:, None]
        counts = np.bincount((drawn + offset).ravel(), minlength=n * len(drawn))
        counts = counts.reshape(len(drawn), n).astype(np.float64)
        ranks = np.stack([_mean_ranks(counts, *ties) for ties in sorted_columns], axis=1)
        centred = ranks - n / 2
        covariance = (centred * counts[:, None]) @ centred.swapaxes(1, 2)
        variance = np.einsum("bkk->bk", covariance)
        # Ranks are multiples of 1/2: a constant measure has a variance of 0 but for rounding.
        spread = np.sqrt(np.where(variance > 1e-6, variance, np.nan))
        found = np.asarray(statistic(covariance / spread[:, :, None] / spread[:, None, :]))
        return found if index.ndim == 2 else found[0]

    return resample(
        n,
        of_index,
        estimate=of_index(np.arange(n)),
        level=level,
        resamples=resamples,
        seed=seed,
        method="percentile",
        batch=max(1, _BLOCK // (n * k)),
    )


def partial_correlation(matrix: Array, x: int, y: int, controls: Sequence[int]) -> Any:
    """Correlation of measures x and y with the controls held fixed, from correlation matrices.

    Args:
        matrix: `(..., k, k)`.
        x: index of the one measure.
        y: index of the other.
        controls: indices of what is held fixed; none returns `matrix[..., x, y]`.

    Returns:
        `(...)`; NaN where nothing of x or y is left.
    """
    held = list(controls)
    if not held:
        return np.clip(matrix[..., x, y], -1.0, 1.0)  # 1 + 2e-16 is rounding
    both = [x, y]
    defined = ~np.isnan(matrix[..., both + held, :][..., both + held]).any(axis=(-2, -1))
    safe = np.where(defined[..., None, None], matrix, np.eye(matrix.shape[-1]))
    across = safe[..., both, :][..., held]
    among = np.linalg.pinv(safe[..., held, :][..., held], hermitian=True)
    left = safe[..., both, :][..., both] - across @ among @ across.swapaxes(-1, -2)
    of_x, of_y = left[..., 0, 0], left[..., 1, 1]
    enough = defined & (of_x > _NOTHING_LEFT) & (of_y > _NOTHING_LEFT)
    scale = np.sqrt(np.where(enough, of_x * of_y, np.nan))
    return np.clip(left[..., 0, 1] / scale, -1.0, 1.0)


def correlation_p(correlation: ArrayLike, n: ArrayLike, controls: int = 0) -> Any:
    """Two-sided p values of (partial) rank correlations, by Student's t with n - 2 - controls.

    Args:
        correlation: any shape.
        n: examples, broadcast.
        controls: how many measures were held fixed.

    Source: Kendall and Stuart (1973); what `scipy.stats.spearmanr` returns without controls.

    >>> round(float(correlation_p(0.5, 12)), 4)
    0.0979
    """
    rho, freedom = np.asarray(correlation, dtype=float), np.asarray(n) - 2 - controls
    if (freedom < 1).any():
        raise InputError("n: too few examples for a p value of a correlation.")
    with np.errstate(divide="ignore"):
        t = np.abs(rho) * np.sqrt(freedom / np.maximum(0.0, 1 - rho * rho))
    return 2 * stats.t.sf(t, freedom)


def _ties(column: Array) -> tuple[Array, Array, Array]:
    """Return the sorting order, where each group of ties ends in it, and the group of each row."""
    order = np.argsort(column, kind="stable")
    ordered = column[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    group = np.empty(len(column), dtype=np.intp)
    group[order] = np.searchsorted(ends, np.arange(len(column)))
    return order, ends, group


def _mean_ranks(counts: Array, order: Array, ends: Array, group: Array) -> Array:
    """Return the ranks (less 1/2) of examples that occur `counts` (b, n) times, ties shared."""
    up_to = np.cumsum(counts[:, order], axis=1)[:, ends]
    of_group = np.diff(up_to, axis=1, prepend=0.0)
    return (up_to - of_group / 2)[:, group]
