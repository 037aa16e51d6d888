"""Comparing like with like: examples of two groups paired by a covariate, and the AUC among them.

Adversarial examples differ from genuine ones in confidence, and most measures of flatness are
largely a function of it. Matched on the log of the loss at the centre, the groups can differ only
in what is not confidence.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from core.errors import InputError
from core.statistics.balance import distribution_distance, pooled_deviation
from core.statistics.checks import Array, finite, level_of
from core.statistics.discrimination import logit_interval, placements
from core.statistics.intervals import Interval
from core.statistics.ratios import geometric_mean_ratio

# Candidate pairs the solver is given at most (about 1 GB).
_MOST_CANDIDATES = 20_000_000
_SHRINK = 0.8


def match(
    covariate_a: ArrayLike,
    covariate_b: ArrayLike,
    caliper: float | None = None,
    *,
    forbid: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Pair examples of two groups by a covariate, one to one, without replacement.

    As many pairs as possible within the caliper and, among those matchings, the one of least total
    distance; exact, deterministic, and independent of the order of examples with distinct values.

    Compare the matched as groups (`matched_auc`, `matched_ratio`, `unpaired_test`), not pair by
    pair: a difference within pairs of 0.001, if mostly of one sign, is significant in a paired test
    of a noiseless measure and means nothing (`paired_test` at 0.05 rejects in 15 to 23 % of
    repetitions there, a paired `geometric_mean_ratio` in up to 32 %; the three above hardly ever).

    Args:
        covariate_a: `(n_a,)`, such as the log of the loss at the centre.
        covariate_b: `(n_b,)`.
        caliper: largest distance within a pair, in units of the covariate. None: as
            `default_caliper` finds it.
        forbid: `(k, 2)` index pairs (a, b) that must not be matched, such as an example with its
            own twin.

    Returns:
        Indices into a and into b, `(pairs,)` each, in ascending order of the covariate of a.

    Raises:
        InputError: a covariate that is not finite, a negative caliper, or one so wide that more
            than twenty million pairs lie within it.

    Cost: sparse assignment (Jonker and Volgenant, 1987) over the pairs within the caliper: 0.01 s
    for 2,000 examples a side, 0.2 s for 10,000.

    >>> match([1.0, 2.0, 7.0], [2.1, 0.9, 5.0], caliper=0.5)
    (array([0, 1]), array([1, 0]))
    """
    a, b = finite("covariate_a", covariate_a), finite("covariate_b", covariate_b)
    banned = _forbidden(forbid, len(a), len(b))
    if caliper is None:
        return _balanced(a, b, banned)[1]
    if not (np.isfinite(caliper) and caliper >= 0):
        raise InputError(f"caliper: expected a number >= 0, found {caliper}.")
    return _most_pairs(a, b, float(caliper), banned)


def default_caliper(
    covariate_a: ArrayLike, covariate_b: ArrayLike, *, forbid: ArrayLike | None = None
) -> float:
    """Return the widest caliper tried that leaves nothing of the covariate to see, in its units.

    The usual 0.2 standard deviations are far too wide here. Where the groups overlap only in their
    tails, partners differ mostly in one direction, and a measure that is nothing but a function of
    the covariate then shows an AUC of 0.55 to 0.63 among the matched; with 1,000 examples its
    interval excludes 0.5 in most repetitions. An AUC sees only order, so what can leak is known
    from the covariate alone: its own AUC among the matched bounds the leak for every increasing
    measure, and the distance of the two distributions does for any other (a curvature
    falls at both ends of the loss). Hence the caliper starts at min(0.2, 2 / sqrt(n)) pooled
    standard deviations and shrinks by a fifth until, among the k matched pairs,

    - the AUC of the covariate is within 0.1 / sqrt(k) of 0.5: a quarter of the standard error that
      any matched AUC has there (0.41 / sqrt(k)), and
    - the Kolmogorov-Smirnov distance is at most 0.4 / sqrt(k), or 2 / k, two steps of it.

    The measure that is to be compared plays no part in this.

    Args and raises as for `match`.
    """
    a, b = finite("covariate_a", covariate_a), finite("covariate_b", covariate_b)
    return _balanced(a, b, _forbidden(forbid, len(a), len(b)))[0]


def matched_auc(
    measure_a: ArrayLike,
    measure_b: ArrayLike,
    indices_a: ArrayLike,
    indices_b: ArrayLike,
    *,
    level: float = 0.95,
    same_examples: bool = False,
) -> Interval:
    """AUC of "a is larger" among matched examples, with an interval that does not claim too much.

    Matched examples are alike, which usually makes the AUC steadier than that of independent
    groups, for a noiseless function of the covariate so much that the rest within the caliper
    would look significant. The variance is therefore the largest of those that take the examples
    as independent (DeLong), as dependent within pairs and, with `same_examples`, as dependent
    between the versions of an example, and both at once (two-way clustering).

    Args:
        measure_a: `(n_a,)`, over all examples of a.
        measure_b: `(n_b,)`.
        indices_a: `(k,)`, from `match`.
        indices_b: `(k,)`.
        level: of confidence.
        same_examples: index i means the same example in a and b (paired groups).

    Returns:
        The AUC and interval; NaN throughout where fewer than two pairs are left.

    Source: Obuchowski (1997); Cameron, Gelbach and Miller, "Robust inference with multiway
    clustering" (2011).

    >>> loss = np.linspace(-3, 1, 60)
    >>> a, b = match(loss, loss + 0.01)
    >>> interval = matched_auc(loss**2, (loss + 0.01)**2, a, b)
    >>> interval.excludes(0.5)
    False
    """
    level_of(level)
    left, right = np.asarray(indices_a, dtype=np.intp), np.asarray(indices_b, dtype=np.intp)
    n = len(left)
    if n < 2:
        return Interval(np.nan, np.nan, np.nan, level)
    a, b = finite("measure_a", measure_a)[left], finite("measure_b", measure_b)[right]
    of_a, of_b = placements(a, b)
    estimate = float(of_a.mean())
    of_a, of_b = of_a - estimate, of_b - estimate
    independent = float(of_a @ of_a + of_b @ of_b)
    by_pair = float(np.square(of_a + of_b).sum())
    squares = [independent, by_pair]
    if same_examples:
        size = int(max(left.max(), right.max())) + 1
        totals = np.bincount(left, of_a, size) + np.bincount(right, of_b, size)
        by_example = float(totals @ totals)
        squares += [by_example, by_pair + by_example - independent]
    return logit_interval(estimate, max(squares) / (n * (n - 1)), n - 1, n // 2, level)


def matched_ratio(
    measure_a: ArrayLike,
    measure_b: ArrayLike,
    indices_a: ArrayLike,
    indices_b: ArrayLike,
    *,
    ratio: Callable[..., Interval] = geometric_mean_ratio,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Ratio of a measure between matched groups, with the interval of independent groups.

    The partners are shuffled before the ratio resamples "pairs". That leaves each ratio's estimate
    as it is and takes out the likeness of partners, which would make what is left within the
    caliper look significant (see `match`).

    Args:
        measure_a: `(n_a,)`, over all examples of a.
        measure_b: `(n_b,)`.
        indices_a: `(k,)`, from `match`.
        indices_b: `(k,)`.
        ratio: `geometric_mean_ratio`, `ratio_of_means` or `ratio_of_medians`.
        level: of confidence.
        resamples: of the bootstrap.
        seed: of the shuffle and of the resamples.

    Returns:
        The ratio and interval; NaN throughout where fewer than two pairs are left.

    >>> loss = np.linspace(-3, 1, 60)
    >>> a, b = match(loss, loss + 0.01)
    >>> matched_ratio(np.exp(loss), np.exp(loss + 0.01), a, b).excludes(1.0)
    False
    """
    left, right = np.asarray(indices_a, dtype=np.intp), np.asarray(indices_b, dtype=np.intp)
    if len(left) < 2:
        return Interval(np.nan, np.nan, np.nan, level_of(level))
    shuffled = np.random.default_rng(seed).permutation(right)
    a, b = finite("measure_a", measure_a)[left], finite("measure_b", measure_b)[shuffled]
    return ratio(a, b, level=level, resamples=resamples, seed=seed)


def _balanced(a: Array, b: Array, banned: Array) -> tuple[float, tuple[Array, Array]]:
    """Shrink the caliper until the matched cannot be told apart by the covariate."""
    start = min(0.2, 2 / np.sqrt(min(len(a), len(b))))
    caliper = float(start * pooled_deviation(a, b))
    while True:
        indices = _most_pairs(a, b, caliper, banned)
        kept_a, kept_b = a[indices[0]], b[indices[1]]
        k = len(kept_a)
        if k < 2:
            return caliper, indices
        leak = abs(float(placements(kept_a, kept_b)[0].mean()) - 0.5)
        apart = distribution_distance(kept_a, kept_b)
        if leak <= 0.1 / np.sqrt(k) and apart <= max(0.4 / np.sqrt(k), 2 / k):
            return caliper, indices
        caliper *= _SHRINK


def _forbidden(forbid: ArrayLike | None, n_a: int, n_b: int) -> Array:
    """Return forbidden pairs as flat indices a * n_b + b."""
    rows = np.empty((0, 2), dtype=np.int64) if forbid is None else np.asarray(forbid)
    if rows.size == 0:
        return np.empty(0, dtype=np.int64)
    if rows.ndim != 2 or rows.shape[1] != 2 or not np.issubdtype(rows.dtype, np.integer):
        raise InputError(f"forbid: expected pairs of indices (k, 2), found shape {rows.shape}.")
    if (rows < 0).any() or (rows >= (n_a, n_b)).any():
        raise InputError(f"forbid: an index lies outside the groups of {n_a} and {n_b} examples.")
    return rows[:, 0].astype(np.int64) * n_b + rows[:, 1]


def _most_pairs(a: Array, b: Array, caliper: float, banned: Array) -> tuple[Array, Array]:
    """Match as many as the caliper allows, then at the least total distance."""
    order_a, order_b = np.argsort(a, kind="stable"), np.argsort(b, kind="stable")
    rows, columns = _candidates(a[order_a], b[order_b], caliper)
    if len(banned):
        allowed = ~np.isin(order_a[rows] * len(b) + order_b[columns], banned)
        rows, columns = rows[allowed], columns[allowed]
    distance = np.abs(a[order_a][rows] - b[order_b][columns])
    # Every row may stay single, at a price above any total distance, so the number of pairs counts
    # first. A weight of 0 would read as "no edge"; one unit more on every edge changes no choice.
    unit = caliper if caliper > 0 else 1.0
    price = (len(a) + 2) * unit
    own = np.arange(len(a))
    edges = sparse.csr_array(
        (
            np.concatenate([distance + unit, np.full(len(a), price + unit)]),
            (np.concatenate([rows, own]), np.concatenate([columns, len(b) + own])),
        ),
        shape=(len(a), len(b) + len(a)),
    )
    partner = min_weight_full_bipartite_matching(edges)[1]
    paired = partner < len(b)
    return order_a[paired], order_b[partner[paired]]


def _candidates(a: Array, b: Array, caliper: float) -> tuple[Array, Array]:
    """Return the positions of all pairs of two sorted arrays within the caliper."""
    first = np.searchsorted(b, a - caliper, side="left")
    count = np.searchsorted(b, a + caliper, side="right") - first
    total = int(count.sum())
    if total > _MOST_CANDIDATES:
        raise InputError(
            f"caliper: {caliper:.3g} leaves {total:,} candidate pairs, more than "
            f"{_MOST_CANDIDATES:,}; take a smaller one, or fewer examples."
        )
    rows = np.repeat(np.arange(len(a)), count)
    return rows, np.arange(total) + np.repeat(first - np.cumsum(count) + count, count)
