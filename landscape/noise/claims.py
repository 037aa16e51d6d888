"""When a difference is called significant: in one place, for sentences, tables and figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.statistics import Interval

LEVEL = 0.05
"""Of corrected p values."""


def claimed(found: Interval, p: float, null: float = 0.0) -> int:
    """Return 1 or -1 where a value is significantly above or below that of no difference, else 0.

    Both have to say so, the corrected p value and the interval: a test of ranks may be significant
    where the interval of the mean holds that of no difference.

    >>> claimed(Interval(1.2, 1.1, 1.3), 0.01, null=1.0)
    1
    >>> claimed(Interval(1.2, 0.9, 1.5), 0.01, null=1.0)
    0
    """
    if not np.isfinite(found.estimate) or not p < LEVEL or not found.excludes(null):
        return 0
    return 1 if found.estimate > null else -1


def null_of(effect: str) -> float:
    """Return the value of no difference of an effect: 0 of a difference, 1 of a ratio."""
    return 0.0 if effect == "difference" else 1.0


def interval_of(row: pd.Series, estimate: str = "estimate", ends: str = "") -> Interval:
    """Return the interval that a row of a table holds.

    Args:
        row: with the columns `estimate`, `low` and `high`; with `ends` before the latter two.
        estimate: the name of the first.
        ends: what the names of the others begin with.
    """
    return Interval(*(float(row[key]) for key in (estimate, f"{ends}low", f"{ends}high")))


def compared_claim(row: pd.Series | None) -> int:
    """Return `claimed` of a row of a comparison, with its effect and `p_holm`; 0 of none."""
    if row is None:
        return 0
    return claimed(interval_of(row), float(row["p_holm"]), null_of(row["effect"]))


def gain_claim(row: pd.Series) -> int:
    """Return `claimed` of a row of gains."""
    return claimed(interval_of(row, "gain"), float(row["p_holm"]))


def curve_claim(row: pd.Series, key: str) -> int:
    """Return `claimed` of one of the responses in a row of a curve over scales."""
    null = null_of(row.get(f"{key}_effect", "difference"))
    return claimed(interval_of(row, key, f"{key}_"), float(row[f"{key}_p"]), null)
