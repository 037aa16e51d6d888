"""How well a single number tells two groups apart: the area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from core.errors import InputError
from core.statistics.checks import Array, finite, level_of, pairs
from core.statistics.intervals import Interval, make_interval


def auc(
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    level: float = 0.95,
    paired: bool = False,
    clusters: tuple[Sequence[object], Sequence[object]] | None = None,
) -> Interval:
    """AUC, `P(positive > negative) + P(equal) / 2`, with DeLong's interval.

    0.5 means that the measure does not tell the groups apart; below 0.5, the negatives are larger.
    The interval is formed on the logit scale, so it stays within [0, 1], with a t quantile for
    small groups. Where the variance is estimated as 0 (perfect separation, or nothing but ties) it
    is the widest one that k independent comparisons without exception allow: a deviation of
    `1 - ((1 - level) / 2)^(1 / k)`, as Clopper and Pearson would have it.

    Args:
        positive: `(m,)`, m >= 2.
        negative: `(n,)`, n >= 2.
        level: of confidence.
        paired: entry i of both comes from the same example (m = n), say its adversarial and its
            genuine version. DeLong's variance takes the two groups as independent, which is wrong
            then; the paired one is that of the summed placement values of an example.
        clusters: of every positive and of every negative, what it comes from: values of one cluster
            may depend on one another. The variance is the larger of the independent and the
            clustered one.

    Source: DeLong, DeLong and Clarke-Pearson (1988); paired: Obuchowski, "Nonparametric analysis of
    clustered ROC curve data" (1997). Cost: O((m + n) log(m + n)).

    >>> interval = auc([2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 2.5, 0.0])
    >>> interval.estimate
    0.90625
    """
    if paired:
        above, below = pairs(positive, negative, ("positive", "negative"))
    else:
        above, below = finite("positive", positive), finite("negative", negative)
    level_of(level)
    smallest = min(len(above), len(below))
    if smallest < 2:
        raise InputError("auc: each group needs at least 2 values.")
    of_positive, of_negative = placements(above, below)
    estimate = float(of_positive.mean())
    if paired:
        variance = (of_positive + of_negative).var(ddof=1) / smallest
        return logit_interval(estimate, variance, smallest - 1, smallest // 2, level)
    variance = of_positive.var(ddof=1) / len(above) + of_negative.var(ddof=1) / len(below)
    if clusters is not None:
        variance = max(variance, _clustered(of_positive, of_negative, clusters))
    return logit_interval(estimate, variance, 2 * smallest - 2, smallest, level)


def auc_difference(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    *,
    level: float = 0.95,
) -> tuple[Interval, float]:
    """Difference of the AUCs of two measures on the same pairs, with interval and p value.

    Entry i of all four arrays comes from one example, say its adversarial and its genuine version.
    The variance is that of the difference of an example's summed placement values, so that what
    both measures get wrong together does not count; interval and two-sided p are those of a t
    distribution. Where the variance is 0 (measures that order everything alike) p is 1 for equal
    AUCs, and the interval a point.

    Args:
        first: positives `(n,)` and negatives `(n,)` of one measure, n >= 2.
        second: positives and negatives of the other.
        level: of confidence.

    Source: DeLong, DeLong and Clarke-Pearson (1988), in the clustered form of Obuchowski (1997).

    >>> good, useless = ([2.0, 3.0, 4.0], [1.0, 0.0, 1.5]), ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])
    >>> auc_difference(good, useless)[0].estimate
    0.5
    """
    level_of(level)
    sums, estimates = [], []
    for positive, negative in (first, second):
        above, below = pairs(positive, negative, ("positive", "negative"))
        of_positive, of_negative = placements(above, below)
        sums.append(of_positive + of_negative)
        estimates.append(float(of_positive.mean()))
    n = len(sums[0])
    if n < 2 or len(sums[1]) != n:
        raise InputError("auc_difference: expected at least 2 pairs, as many of both measures.")
    difference = estimates[0] - estimates[1]
    error = float(np.sqrt((sums[0] - sums[1]).var(ddof=1) / n))
    half = float(stats.t.isf((1 - level) / 2, n - 1)) * error
    if error <= 1e-12:
        p = 1.0 if abs(difference) <= 1e-12 else 0.0
    else:
        p = float(2 * stats.t.sf(abs(difference) / error, n - 1))
    return make_interval(difference, difference - half, difference + half, level), p


def placements(positive: Array, negative: Array) -> tuple[Array, Array]:
    """Return, for each value, the share of the other group that is on its proper side.

    For a positive, the share of negatives below it, `(m,)`; for a negative, the share of positives
    above it, `(n,)`. Ties count half; both have the AUC as their mean.
    """
    return _share_below(positive, negative), 1 - _share_below(negative, positive)


def _clustered(
    of_positive: Array, of_negative: Array, clusters: tuple[Sequence[object], Sequence[object]]
) -> float:
    """Return the variance of the AUC from the placement values, summed within clusters."""
    if [len(c) for c in clusters] != [len(of_positive), len(of_negative)]:
        raise InputError("clusters: expected one for each positive and for each negative.")
    _, places = np.unique([str(c) for side in clusters for c in side], return_inverse=True)
    parts = [(v - v.mean()) / len(v) for v in (of_positive, of_negative)]
    sums = np.bincount(places, np.concatenate(parts))
    return float(sums @ sums) * len(sums) / max(len(sums) - 1, 1)


def _share_below(values: Array, others: Array) -> Array:
    ordered = np.sort(others)
    strictly = np.searchsorted(ordered, values, side="left")
    with_ties = np.searchsorted(ordered, values, side="right")
    return (strictly + with_ties) / (2 * len(others))


def logit_interval(
    estimate: float, variance: float, freedom: int, comparisons: int, level: float
) -> Interval:
    """Interval of an AUC from its variance.

    Args:
        estimate: of the AUC.
        variance: of that estimate.
        freedom: degrees of freedom of the t quantile.
        comparisons: how many independent pairs (one positive, one negative) there are; sets the
            width where the variance is 0.
        level: of confidence.
    """
    tail = (1 - level) / 2
    if variance <= 1e-24:
        room = 1 - tail ** (1 / comparisons)
        return make_interval(estimate, max(0.0, estimate - room), min(1.0, estimate + room), level)
    slope = 1 / (estimate * (1 - estimate))
    half = stats.t.isf(tail, freedom) * np.sqrt(variance) * slope
    centre = special.logit(estimate)
    return make_interval(
        estimate, special.expit(centre - half), special.expit(centre + half), level
    )
