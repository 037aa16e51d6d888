"""Tests of a difference between two groups, each with its effect size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from core.statistics.checks import Array, finite, pairs

# Up to this many non-zero pairs the null distribution is counted out exactly.
_EXACT = 200


@dataclass(frozen=True)
class PairedTest:
    """A paired comparison: `412 of 500 pairs` is `n_positive` of `n`."""

    p: float  # two-sided
    n: int  # pairs
    n_positive: int  # pairs with a > b
    n_zero: int  # pairs with a == b
    rank_biserial: float  # (W+ - W-) / (W+ + W-), from -1 (always a < b) to 1 (always a > b)
    cohens_d: float  # mean difference / its standard deviation over pairs (Cohen's d_z)


@dataclass(frozen=True)
class UnpairedTest:
    """A comparison of two groups of different examples."""

    p: float  # two-sided
    n_a: int
    n_b: int
    superiority: float  # P(a > b) + P(a = b) / 2: the AUC of "a is larger"
    rank_biserial: float  # 2 superiority - 1


def paired_test(a: ArrayLike, b: ArrayLike) -> PairedTest:
    """Wilcoxon's signed-rank test of two measurements of the same examples.

    Pairs without a difference are left out of the ranks (Wilcoxon's own treatment) but counted in
    `n` and `n_zero`; if none differs, p = 1. Tied differences share their mean rank. With at most
    200 differing pairs p is exact, ties included: all 2^m signs are counted out by convolution.
    With more it is the normal approximation with the variance corrected for ties.

    Args:
        a: `(n,)`.
        b: `(n,)`; entry i belongs to the same example as `a[i]`.

    Source: Wilcoxon (1945); effect size: Kerby, "The simple difference formula" (2014).

    >>> test = paired_test([3.0, 5.0, 4.0, 8.0, 2.0], [1.0, 2.0, 2.5, 3.0, 1.0])
    >>> test.p, test.n_positive, test.rank_biserial
    (0.0625, 5, 1.0)
    """
    first, second = pairs(a, b)
    difference = first - second
    moved = difference[difference != 0]
    n_zero = len(difference) - len(moved)
    if not len(moved):
        return PairedTest(1.0, len(difference), 0, n_zero, 0.0, 0.0)
    ranks = stats.rankdata(np.abs(moved))
    up, down = ranks[moved > 0].sum(), ranks[moved < 0].sum()
    p = _exact_p(ranks, up) if len(moved) <= _EXACT else _approximate_p(moved)
    return PairedTest(
        p=p,
        n=len(difference),
        n_positive=int((moved > 0).sum()),
        n_zero=n_zero,
        rank_biserial=float((up - down) / (up + down)),
        cohens_d=_cohens_d(difference),
    )


def _exact_p(ranks: Array, up: float) -> float:
    """Two-sided p of the rank sum `up` when every sign is + or - with probability 1/2."""
    doubled = np.rint(2 * ranks).astype(int)  # mean ranks are multiples of 1/2
    chance = np.zeros(doubled.sum() + 1)
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] = (chance[rank:] + chance[:-rank]) / 2
        chance[:rank] /= 2
    total = int(doubled.sum())
    smaller = min(int(np.rint(2 * up)), total - int(np.rint(2 * up)))
    return float(min(1.0, 2 * chance[: smaller + 1].sum()))


def _approximate_p(moved: Array) -> float:
    return float(stats.wilcoxon(moved, zero_method="wilcox", method="asymptotic").pvalue)


def _cohens_d(difference: Array) -> float:
    mean = float(difference.mean())
    spread = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    if spread > 0:
        return mean / spread
    return float(np.sign(mean) * np.inf) if mean else 0.0


def sign_flip_test(a: ArrayLike, b: ArrayLike, *, resamples: int = 9999, seed: int = 0) -> float:
    """Two-sided p of the mean paired difference under random exchange within pairs.

    Exact, all 2^n exchanges, where these are at most `resamples`; else a Monte-Carlo estimate,
    never below 1 / (resamples + 1). It tests the mean where `paired_test` tests ranks.

    Source: Fisher (1935); scipy.stats.permutation_test.

    >>> sign_flip_test([3.0, 5.0, 4.0, 8.0, 2.0], [1.0, 2.0, 2.5, 3.0, 1.0])
    0.0625
    """
    first, second = pairs(a, b)
    if not (first != second).any():
        return 1.0

    def mean_difference(x: Array, y: Array, axis: int) -> Any:
        return np.mean(x - y, axis=axis)

    found = stats.permutation_test(
        (first, second),
        mean_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 2**21 // len(first)),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def unpaired_test(a: ArrayLike, b: ArrayLike) -> UnpairedTest:
    """Mann-Whitney U test of two groups of different examples.

    p is exact for groups of at most 8 without ties, else the normal approximation with the
    variance corrected for ties; if all values are equal, p = 1.

    Args:
        a: `(n_a,)`.
        b: `(n_b,)`.

    Source: Mann and Whitney (1947); scipy.stats.mannwhitneyu.

    >>> unpaired_test([4.0, 5.0, 6.0], [1.0, 2.0, 3.0]).superiority
    1.0
    """
    first, second = finite("a", a), finite("b", b)
    if np.ptp(np.concatenate([first, second])) == 0:
        return UnpairedTest(1.0, len(first), len(second), 0.5, 0.0)
    found = stats.mannwhitneyu(first, second, alternative="two-sided", method="auto")
    superiority = float(found.statistic) / (len(first) * len(second))
    return UnpairedTest(
        float(found.pvalue), len(first), len(second), superiority, 2 * superiority - 1
    )
