"""Bounds of a proportion."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from core.errors import InputError
from core.statistics.checks import level_of
from core.statistics.intervals import Interval, make_interval


def clopper_pearson(
    successes: ArrayLike,
    trials: ArrayLike,
    level: float = 0.95,
    side: Literal["two-sided", "lower", "upper"] = "two-sided",
) -> Interval:
    """Clopper-Pearson interval of a binomial proportion: covers with at least `level`, exactly.

    Args:
        successes: whole numbers, any shape, 0 <= successes <= trials.
        trials: whole numbers >= 1, broadcast against successes.
        level: of confidence.
        side: `two-sided`, each tail with (1 - level) / 2; `lower`, a lower bound with the whole
            1 - level in its tail (high = 1), as the certified radius of Cohen et al. (2019) takes
            it; `upper`, its mirror image.

    Source: Clopper and Pearson (1934): low solves P(X >= successes | low) = alpha, a quantile of
    the beta distribution.

    >>> bound = clopper_pearson(100, 100, level=0.999, side="lower")
    >>> bound.low == 0.001 ** (1 / 100), bound.high
    (True, 1.0)
    """
    hits, of = np.broadcast_arrays(
        np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    )
    whole = (hits == np.floor(hits)) & (of == np.floor(of)) & (of >= 1) & (hits >= 0) & (hits <= of)
    if not whole.all():
        raise InputError(
            "successes, trials: expected whole numbers with 0 <= successes <= trials, trials >= 1."
        )
    if side not in ("two-sided", "lower", "upper"):
        raise InputError(f"side: expected 'two-sided', 'lower' or 'upper', found {side!r}.")
    tail = (1 - level_of(level)) / (2 if side == "two-sided" else 1)
    low, high = np.zeros(hits.shape), np.ones(hits.shape)
    if side != "upper":
        some = hits > 0
        low[some] = special.betaincinv(hits[some], (of - hits + 1)[some], tail)
    if side != "lower":
        some = hits < of
        high[some] = special.betainccinv((hits + 1)[some], (of - hits)[some], tail)
    return make_interval(hits / of, low, high, level)


def wilson(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> Interval:
    """Wilson's interval of a binomial proportion: covers with about `level`, on average over p.

    Clopper and Pearson's never covers less, and so is wider. Both have width where nothing, or
    everything, succeeded; a bootstrap has not.

    Args:
        successes: any shape, 0 <= successes <= trials.
        trials: broadcast against successes; 0 gives NaN.
        level: of confidence.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927);
    Brown, Cai and DasGupta, "Interval estimation for a binomial proportion" (2001).

    >>> bound = wilson(0, 100)
    >>> bound.low, round(bound.high, 4)
    (0.0, 0.037)
    """
    hits, of = np.broadcast_arrays(
        np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    )
    if not ((hits >= 0) & (hits <= of)).all():
        raise InputError("successes, trials: expected 0 <= successes <= trials.")
    z = special.ndtri((1 + level_of(level)) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = hits / of
        centre = (hits + z * z / 2) / (of + z * z)
        half = z / (of + z * z) * np.sqrt(of * rate * (1 - rate) + z * z / 4)
    low = np.where(hits == 0, 0.0 * rate, centre - half)
    high = np.where(hits == of, 1.0 + 0.0 * rate, centre + half)
    return make_interval(rate, low, high, level)
