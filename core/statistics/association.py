"""How far two measures of the same examples rise together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from core.statistics.checks import Array, level_of, pairs
from core.statistics.intervals import Interval, bootstrap


def _rank_correlation(samples: Array, axis: int) -> Any:
    ranks = stats.rankdata(samples, axis=axis)
    centred = ranks - ranks.mean(axis=axis, keepdims=True)
    x, y = centred[..., 0], centred[..., 1]
    scale = np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    return np.divide((x * y).sum(-1), scale, out=np.zeros_like(scale), where=scale > 0)


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
    first, second = pairs(x, y, ("x", "y"))
    level_of(level)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return Interval(np.nan, np.nan, np.nan, level)
    rows = np.stack([first, second], axis=1)
    return bootstrap(
        rows, _rank_correlation, level=level, resamples=resamples, seed=seed, method="percentile"
    )
