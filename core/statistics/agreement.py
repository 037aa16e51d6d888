"""How far two yes-or-no answers about the same examples agree: overlap, kappa, McNemar's test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from core.errors import InputError
from core.statistics.checks import Array, pairs


@dataclass(frozen=True)
class McNemar:
    """Two yes-or-no answers compared: who says yes where the other says no."""

    only_first: int  # examples with yes from the first alone
    only_second: int
    p: float  # two-sided, exact
    odds: float  # only_first / only_second: the odds of yes from the first where they differ


def jaccard(first: ArrayLike, second: ArrayLike) -> float:
    """Jaccard index of two sets of the same examples, `|A and B| / |A or B|`.

    Args:
        first: `(n,)` of yes and no, who belongs to A.
        second: `(n,)`, who belongs to B.

    Returns:
        Between 0 (disjoint) and 1 (equal); NaN where both are empty.

    Source: Jaccard (1901).

    >>> jaccard([1, 1, 0, 0], [1, 0, 1, 0]) == 1 / 3
    True
    """
    a, b = _answers(first, second)
    return float(jaccard_of_counts((a & b).sum(), a.sum(), b.sum()))


def cohen_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Cohen's kappa of two yes-or-no answers: agreement beyond chance, over what is possible.

    `(o - e) / (1 - e)` with o the share of equal answers and e the share that independent answers
    of the same frequencies would have. Unlike the Jaccard index it is 0 under independence.

    Args:
        first: `(n,)` of yes and no.
        second: `(n,)`.

    Returns:
        At most 1; NaN where e = 1, that is both answers are constant and equal.

    Source: Cohen, "A coefficient of agreement for nominal scales" (1960).

    >>> cohen_kappa([1, 1, 0, 0], [1, 0, 1, 0]), cohen_kappa([1, 0], [1, 0])
    (0.0, 1.0)
    """
    a, b = _answers(first, second)
    return float(kappa_of_counts((a & b).sum(), a.sum(), b.sum(), len(a)))


def jaccard_of_counts(both: ArrayLike, first: ArrayLike, second: ArrayLike) -> Any:
    """Jaccard index from the sizes of the intersection and of the two sets, of any one shape."""
    common, a, b = (np.asarray(x, dtype=np.float64) for x in (both, first, second))
    return _ratio(common, a + b - common)


def kappa_of_counts(both: ArrayLike, first: ArrayLike, second: ArrayLike, of: ArrayLike) -> Any:
    """Cohen's kappa from the numbers of yes from both, the first, the second, among `of`."""
    common, a, b, n = (np.asarray(x, dtype=np.float64) for x in (both, first, second, of))
    # (o - e) / (1 - e) with both sides times n^2: whole numbers, so that 0 / 0 is exactly that.
    by_chance = a * b + (n - a) * (n - b)
    return _ratio((n - a - b + 2 * common) * n - by_chance, n * n - by_chance)


def expected_jaccard(first: ArrayLike, second: ArrayLike, of: ArrayLike) -> Any:
    """Mean Jaccard index of two independent sets of the given sizes.

    With the sizes given, the intersection of independent sets is hypergeometric; this is the exact
    mean of `k / (first + second - k)` over it.

    Args:
        first: size of the first set, any shape.
        second: size of the second.
        of: examples in all.

    Returns:
        The mean, NaN where both are empty.

    >>> expected_jaccard(1, 1, 2).tolist()
    0.5
    """
    a, b, n = np.broadcast_arrays(*(np.asarray(x, dtype=np.int64) for x in (first, second, of)))
    if ((a < 0) | (b < 0) | (a > n) | (b > n)).any():
        raise InputError("first, second, of: expected sizes between 0 and the number of examples.")
    k = np.arange(int(np.minimum(a, b).max(initial=0)) + 1)
    chance = stats.hypergeom.pmf(k, n[..., None], a[..., None], b[..., None])
    index = np.nan_to_num(jaccard_of_counts(k, a[..., None], b[..., None]))
    return np.where(a + b > 0, (chance * index).sum(-1), np.nan)


def mcnemar(first: ArrayLike, second: ArrayLike) -> McNemar:
    """McNemar's exact test that two yes-or-no answers about the same examples are equally frequent.

    Only the examples count on which the answers differ; under the hypothesis each of them is a fair
    coin. Nothing is approximated, so p is valid for any number of them; with none it is 1.

    Args:
        first: `(n,)` of yes and no.
        second: `(n,)`; entry i is about the same example as `first[i]`.

    Source: McNemar (1947), exact form: the two-sided binomial test (scipy.stats.binomtest).

    >>> mcnemar([1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0])
    McNemar(only_first=5, only_second=0, p=0.0625, odds=inf)
    """
    a, b = _answers(first, second)
    only_first, only_second = int((a & ~b).sum()), int((b & ~a).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = float(np.float64(only_first) / only_second)
    return McNemar(only_first, only_second, float(mcnemar_p(only_first, only_second)), odds)


def mcnemar_p(only_first: ArrayLike, only_second: ArrayLike) -> Any:
    """Two-sided p values of McNemar's exact test from the discordant counts, of any one shape.

    The binomial test at 1/2 is symmetric, so p is twice the smaller tail, at most 1. That is what
    `scipy.stats.binomtest` returns, for thousands of pairs in one call.

    >>> mcnemar_p([5, 3, 0], [0, 3, 0]).tolist()
    [0.0625, 1.0, 1.0]
    """
    a, b = (np.asarray(x, dtype=np.int64) for x in (only_first, only_second))
    if (a < 0).any() or (b < 0).any():
        raise InputError("only_first, only_second: expected counts of examples, none negative.")
    return np.minimum(1.0, 2 * stats.binom.cdf(np.minimum(a, b), a + b, 0.5))


def _answers(first: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    a, b = pairs(first, second, ("first", "second"))
    for name, values in (("first", a), ("second", b)):
        if not np.isin(values, (0.0, 1.0)).all():
            raise InputError(f"{name}: expected yes and no (1 and 0), found other values.")
    return a.astype(bool), b.astype(bool)


def _ratio(above: Array, below: Array) -> Any:
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below != 0)
