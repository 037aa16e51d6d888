"""How many times larger: ratios between two measurements of the same examples.

Three answers, because they fail in different ways. The geometric mean of the per-example ratios is
the natural one for positive, skewed measures (a rise of the loss, a trace); it does not exist where
a value is zero or negative. The ratios of means and of medians allow any sign; the first is moved
by a few large examples, the second is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from core.errors import InputError
from core.statistics.checks import Array, pairs
from core.statistics.intervals import Interval, Statistic, bootstrap, make_interval


def geometric_mean_ratio(
    a: ArrayLike, b: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Geometric mean of the per-example ratios, `exp(mean(log a - log b))`, with its interval.

    Args:
        a: `(n,)`, positive.
        b: `(n,)`, positive; entry i belongs to the same example as `a[i]`.
        level: of confidence.
        resamples: of the examples (BCa bootstrap on the log scale).
        seed: of the resamples.

    Raises:
        InputError: a value that is zero or negative (nothing is clipped or dropped: take
            `ratio_of_means` or `ratio_of_medians` there), or not finite.

    >>> round(geometric_mean_ratio([2.0, 8.0, 4.0], [1.0, 2.0, 2.0]).estimate, 3)
    2.52
    """
    first, second = pairs(a, b)
    for name, values in (("a", first), ("b", second)):
        if bad := int((values <= 0).sum()):
            raise InputError(
                f"{name}: {bad} of {len(values)} values are not positive, so a geometric mean of "
                "ratios does not exist; ratio_of_means and ratio_of_medians allow them."
            )
    logs = bootstrap(np.log(first) - np.log(second), level=level, resamples=resamples, seed=seed)
    return logs.transform(np.exp)


def ratio_of_means(
    a: ArrayLike, b: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Ratio of the means of two measurements of the same examples, `mean(a) / mean(b)`.

    Zeros and negative values are allowed. Where the interval of mean(b) holds 0, the data do not
    determine a ratio, and the interval is (-inf, inf), as Fieller's would be.

    Args and source as for `geometric_mean_ratio`; examples are resampled in pairs (BCa).

    >>> ratio_of_means([2.0, 0.0, 4.0], [1.0, 0.5, 1.5]).estimate
    2.0
    """
    return _ratio(np.mean, a, b, level, resamples, seed)


def ratio_of_medians(
    a: ArrayLike, b: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Ratio of the medians of two measurements of the same examples; robust to a few large ones.

    Zeros and negative values are allowed; undetermined, (-inf, inf), where the interval of
    median(b) holds 0. Examples are resampled in pairs (percentile interval, which suits medians).

    >>> ratio_of_medians([2.0, 0.0, 400.0], [1.0, 0.5, 1.5]).estimate
    2.0
    """
    return _ratio(np.median, a, b, level, resamples, seed)


def _ratio(
    centre: Statistic, a: ArrayLike, b: ArrayLike, level: float, resamples: int, seed: int
) -> Interval:
    first, second = pairs(a, b)

    def ratio(samples: Array, axis: int) -> Any:
        centres = centre(samples, axis=axis)
        return np.divide(centres[..., 0], centres[..., 1])

    def of(values: Array, statistic: Statistic) -> Interval:
        return bootstrap(
            values,
            statistic,
            level=level,
            resamples=resamples,
            seed=seed,
            method="bca" if centre is np.mean else "percentile",
        )

    if not of(second, centre).excludes(0.0):
        below = centre(second)
        estimate = centre(first) / below if below else np.nan
        return make_interval(estimate, -np.inf, np.inf, level)
    return of(np.stack([first, second], axis=1), ratio)
