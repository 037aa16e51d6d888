"""The bootstrap of whatever is a function of sums over examples: rates, ratios, overlaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.checks import Array, finite
from core.statistics.intervals import Interval, resample

# Counts of examples in this many resamples are held at once (32 MB).
_BLOCK = 2**22


def bootstrap_sums(
    columns: ArrayLike,
    statistic: Callable[[Array], Array],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    method: Literal["bca", "percentile"] = "bca",
) -> Interval:
    """Bootstrap intervals of statistics that depend on the examples through sums alone.

    A resample is then no more than how often each example was drawn, and all sums of all resamples
    are one matrix product: hundreds of statistics cost little more than one, and as they share the
    resamples their errors are paired. With the same seed and n these are the resamples that
    `core.statistics.bootstrap` draws.

    Args:
        columns: `(n, k)`, one row per example; n >= 2. An example is resampled whole.
        statistic: takes sums over examples `(..., k)`, returns `(..., m)`; NaN where undefined.
        level: of confidence, per interval (not simultaneous).
        resamples: number of bootstrap samples.
        seed: of the resamples.
        method: `bca` or `percentile`; see `bootstrap`. Resamples in which a statistic is NaN are
            left out of its interval (which is then the percentile one).

    Returns:
        An interval whose fields are `(m,)`.

    Source: Efron, "Better bootstrap confidence intervals" (1987). Cost: a product of
    `(resamples, n)` with `(n, k)`, and the statistic on `(resamples + n, k)` sums.

    >>> fooled = np.array([[1, 1], [1, 0], [0, 0], [1, 1], [0, 1], [0, 0.0]])
    >>> gain = bootstrap_sums(fooled, lambda sums: (sums[..., :1] - sums[..., 1:]) / 6)
    >>> gain.estimate.tolist(), bool(gain.excludes(0.0)[0])
    ([0.0], False)
    """
    rows = finite("columns", columns, ndim=(2,))
    n = len(rows)

    def of_index(index: Array) -> Array:
        drawn = np.atleast_2d(index)
        offset = n * np.arange(len(drawn))[:, None]
        counts = np.bincount((drawn + offset).ravel(), minlength=n * len(drawn))
        found = np.asarray(statistic(counts.reshape(len(drawn), n).astype(np.float64) @ rows))
        return found if index.ndim == 2 else found[0]

    with np.errstate(invalid="ignore", divide="ignore"):
        estimate = np.asarray(statistic(rows.sum(axis=0)))
    return resample(
        n,
        of_index,
        estimate=estimate,
        level=level,
        resamples=resamples,
        seed=seed,
        method=method,
        batch=max(1, _BLOCK // n),
    )
