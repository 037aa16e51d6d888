"""Whether matching made two groups alike: the covariate before and after, and how many are left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.checks import Array, finite
from core.statistics.discrimination import placements


@dataclass(frozen=True)
class Balance:
    """How alike two groups are in the covariate; `before` matching, and `after`."""

    n: int  # pairs kept
    of: int  # examples in the smaller group: the most pairs there could be
    difference_before: float  # standardised mean difference: (mean a - mean b) / pooled sd before
    difference_after: float  # of the matched, over the same sd
    distance_before: float  # Kolmogorov-Smirnov distance of the two distributions
    distance_after: float
    auc_before: float  # of the covariate alone, "a is larger"
    auc_after: float
    enough: bool  # at least the minimum is left

    def __str__(self) -> str:
        """Return the balance in words."""
        if not self.enough:
            return f"no overlap: {self.n} of {self.of} examples have a partner within the caliper"
        return (
            f"{self.n} of {self.of} matched; standardised difference "
            f"{self.difference_before:.2f} before, {self.difference_after:.3f} after"
        )


def matching_balance(
    covariate_a: ArrayLike,
    covariate_b: ArrayLike,
    indices_a: ArrayLike,
    indices_b: ArrayLike,
    *,
    minimum: int = 20,
) -> Balance:
    """Compare the covariate of two groups before and after `match`.

    Args:
        covariate_a: `(n_a,)`, as given to `match`.
        covariate_b: `(n_b,)`.
        indices_a: `(k,)`, the matched of a.
        indices_b: `(k,)`, their partners in b.
        minimum: with fewer pairs left `enough` is false and the words say "no overlap": the groups
            then lie apart in the covariate, and no matched comparison can be made.

    >>> balance = matching_balance([0.0, 1.0], [9.0, 8.0], [], [])
    >>> str(balance)
    'no overlap: 0 of 2 examples have a partner within the caliper'
    """
    a, b = finite("covariate_a", covariate_a), finite("covariate_b", covariate_b)
    kept_a = a[np.asarray(indices_a, dtype=np.intp)]
    kept_b = b[np.asarray(indices_b, dtype=np.intp)]
    spread = pooled_deviation(a, b)
    return Balance(
        n=len(kept_a),
        of=min(len(a), len(b)),
        difference_before=_standardised(a, b, spread),
        difference_after=_standardised(kept_a, kept_b, spread),
        distance_before=distribution_distance(a, b),
        distance_after=distribution_distance(kept_a, kept_b),
        auc_before=_auc(a, b),
        auc_after=_auc(kept_a, kept_b),
        enough=len(kept_a) >= minimum,
    )


def pooled_deviation(a: Array, b: Array) -> float:
    """Return the root mean variance of two groups; 0 where both are constant."""
    return float(np.sqrt((np.var(a) + np.var(b)) / 2))


def _standardised(a: Array, b: Array, spread: float) -> float:
    if not len(a):
        return np.nan
    gap = float(a.mean() - b.mean())
    if spread > 0:
        return gap / spread
    return float(np.sign(gap) * np.inf) if gap else 0.0


def distribution_distance(a: Array, b: Array) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples; NaN where one is empty."""
    if not len(a):
        return np.nan
    # scipy.stats.ks_2samp computes a p value as well, and divides by 0 for single values.
    points = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(np.sort(x), points, side="right") / len(x) for x in (a, b))
    return float(np.abs(below_a - below_b).max())


def _auc(a: Array, b: Array) -> float:
    return float(placements(a, b)[0].mean()) if len(a) else np.nan
