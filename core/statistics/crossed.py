"""The mean of a table of trainings by examples, where both are samples of more."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from core.errors import InputError
from core.statistics.checks import finite, level_of
from core.statistics.intervals import Interval, make_interval


@dataclass(frozen=True)
class CrossedMean:
    """A mean over trainings and examples.

    Attributes:
        interval: of the mean over all trainings and examples that might have been drawn.
        p: two-sided, of the mean being 0.
        degrees: of freedom of the t distribution behind both.
        each: the mean of each training, `(s,)`.
    """

    interval: Interval
    p: float
    degrees: float
    each: np.ndarray


def crossed_mean(values: ArrayLike, *, level: float = 0.95) -> CrossedMean:
    """Return the mean of a table whose rows and columns are both drawn at random.

    Each training is measured on the same examples, so the errors of its entries are not
    independent: what is peculiar to a training moves a whole row, what is peculiar to an example a
    whole column. With `M_S`, `M_I` and `M_R` the mean squares of rows, columns and the rest, the
    variance of the mean is `(M_S + M_I - M_R) / (s n)`, `M_S` and `M_I` taken as at least `M_R` so
    that no component of the variance is negative. Satterthwaite's degrees of freedom are near
    `s - 1` where trainings differ most, and large where examples do.

    Args:
        values: `(s, n)`, for comparisons the paired differences; s trainings, n examples, each at
            least 2.
        level: of confidence.

    Returns:
        Interval and p; a table without any spread has an interval of no width, and p is 0 or, where
        all is 0, 1.

    Raises:
        InputError: fewer than two rows or columns, or numbers that are not finite.

    Source: Satterthwaite (1946); the quasi-F ratio of designs with crossed random factors, Clark,
    "The language-as-fixed-effect fallacy" (1973).

    >>> found = crossed_mean([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    >>> found.interval.estimate, found.each.tolist()
    (2.0, [2.0, 2.0])
    """
    table = finite("values", values, ndim=(2,))
    s, n = table.shape
    if min(s, n) < 2:
        raise InputError(f"values: expected at least 2 trainings and 2 examples, found {s} x {n}.")
    level = level_of(level)
    mean, rows, columns = float(table.mean()), table.mean(1), table.mean(0)
    rest = table - rows[:, None] - columns[None, :] + mean
    residual = float(np.square(rest).sum()) / ((s - 1) * (n - 1))
    of_rows = max(n * float(rows.var(ddof=1)), residual)
    of_columns = max(s * float(columns.var(ddof=1)), residual)
    total = of_rows + of_columns - residual
    if total <= 0:
        exact = make_interval(mean, mean, mean, level)
        return CrossedMean(exact, 1.0 if mean == 0 else 0.0, math.inf, rows)
    degrees = total**2 / (
        of_rows**2 / (s - 1) + of_columns**2 / (n - 1) + residual**2 / ((s - 1) * (n - 1))
    )
    error = math.sqrt(total / (s * n))
    reach = float(stats.t.ppf((1 + level) / 2, degrees)) * error
    p = 2 * float(stats.t.sf(abs(mean) / error, degrees))
    return CrossedMean(
        make_interval(mean, mean - reach, mean + reach, level), p, float(degrees), rows
    )
