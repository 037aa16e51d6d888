"""A number with its uncertainty, and the bootstrap that gives it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from core.errors import InputError
from core.statistics.checks import Array, finite, level_of

# Floats for one statistic, arrays of one shape for several; a union would burden every caller.
Numbers = Any

# Called as statistic(samples, axis=...); reduces that axis and keeps the others.
Statistic = Callable[..., Any]

# Resamples are evaluated in blocks of at most this many numbers (32 MB).
_BLOCK = 2**22


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval: floats, or arrays of one shape.

    >>> interval = Interval(3.1, 2.6, 3.7, level=0.95)
    >>> interval.excludes(1.0)
    True
    """

    estimate: Numbers
    low: Numbers
    high: Numbers
    level: float = 0.95

    def __getitem__(self, index: Any) -> Interval:
        """Return the interval of one (or some) of several statistics."""
        return make_interval(self.estimate[index], self.low[index], self.high[index], self.level)

    def excludes(self, value: float) -> Any:
        """Say whether `value` lies outside the interval (an array of answers for arrays)."""
        return (value < self.low) | (value > self.high)

    def transform(self, function: Callable[[Any], Any]) -> Interval:
        """Return the interval of an increasing function of the statistic."""
        return make_interval(
            function(self.estimate), function(self.low), function(self.high), self.level
        )


def make_interval(estimate: Numbers, low: Numbers, high: Numbers, level: float) -> Interval:
    """Return an interval whose scalars are plain floats, so that they can be written as JSON."""
    estimate, low, high = (x if np.ndim(x) else float(x) for x in (estimate, low, high))
    return Interval(estimate, low, high, level)


def bootstrap(
    values: ArrayLike,
    statistic: Statistic = np.mean,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    method: Literal["bca", "percentile"] = "bca",
) -> Interval:
    """Bootstrap interval of a statistic of examples.

    Rows are examples and are resampled whole, so that what was measured on one example (several
    radii, or a pair of numbers) stays together.

    Args:
        values: `(n,)`, or `(n, k)` for k numbers per example; n >= 2.
        statistic: called as `statistic(samples, axis=axis)` and reduces the axis of the examples:
            samples are `(..., n)` with axis -1 or `(..., n, k)` with axis -2. A statistic that
            keeps k (`np.mean`) gives k intervals at once, from the same resamples; one that
            combines columns (a ratio of means) gives one.
        level: of confidence, per interval (not simultaneous).
        resamples: number of bootstrap samples.
        seed: of the resamples.
        method: `bca`, bias-corrected and accelerated, or `percentile`. Where BCa is not defined
            (a statistic that no left-out example moves) the percentile interval of the same
            resamples is returned: for constant values, that constant.

    Raises:
        InputError: values that are not finite, fewer than two examples, an unknown method.

    Source: Efron, "Better bootstrap confidence intervals" (1987); scipy.stats.bootstrap.
    Cost: `resamples` evaluations of the statistic, and n more of n - 1 examples for BCa.

    >>> heights = np.array([1.0, 2.0, 2.0, 3.0, 4.0, 6.0])
    >>> interval = bootstrap(heights)
    >>> interval.estimate, bool(interval.low < 3 < interval.high)
    (3.0, True)
    """
    rows = finite("values", values, ndim=(1, 2))
    n = len(rows)
    example_axis = -rows.ndim
    return resample(
        n,
        lambda index: np.asarray(statistic(rows[index], axis=example_axis)),
        estimate=statistic(rows, axis=example_axis),
        level=level,
        resamples=resamples,
        seed=seed,
        method=method,
        batch=max(1, _BLOCK // rows.size),
    )


def resample(
    n: int,
    of_index: Callable[[Array], Array],
    *,
    estimate: Numbers,
    level: float,
    resamples: int,
    seed: int,
    method: Literal["bca", "percentile"],
    batch: int,
) -> Interval:
    """Bootstrap interval of whatever can be computed from the indices of the examples drawn.

    Args:
        n: examples.
        of_index: the statistic(s) of resamples: indices `(m,)` give `(...)`, indices `(b, m)` give
            `(b, ...)`.
        estimate: of the examples themselves.
        level: of confidence.
        resamples: number of bootstrap samples.
        seed: of the resamples: the same seed and n draw the same examples.
        method: `bca` or `percentile`.
        batch: resamples given to `of_index` at once.
    """
    level_of(level)
    if method not in ("bca", "percentile"):
        raise InputError(f"method: expected 'bca' or 'percentile', found {method!r}.")
    if resamples < 1:
        raise InputError(f"resamples: expected at least 1, found {resamples}.")
    if n < 2:
        raise InputError(f"values: a bootstrap needs at least 2 examples, found {n}.")

    def of_rows(index: Array, axis: int) -> Any:
        found = of_index(index)
        # scipy keeps the resamples on the last axis; here they are the first.
        return np.moveaxis(found, 0, -1) if index.ndim == 2 else found

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")
        found = stats.bootstrap(
            (np.arange(n),),
            of_rows,
            n_resamples=resamples,
            batch=batch,
            vectorized=True,
            axis=-1,
            confidence_level=level,
            method={"bca": "BCa", "percentile": "percentile"}[method],
            rng=np.random.default_rng(seed),
        )
        drawn = found.bootstrap_distribution
        # A resample in which the statistic is undefined (0 / 0) says nothing about its spread.
        quantiles = np.nanpercentile if np.isnan(drawn).any() else np.percentile
        percentile = quantiles(drawn, (50 * (1 - level), 50 * (1 + level)), axis=-1)
    low, high = (
        np.where(np.isnan(bound), fallback, bound)
        for bound, fallback in zip(found.confidence_interval, percentile, strict=True)
    )
    return make_interval(estimate, low, high, level)
