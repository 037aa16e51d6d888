"""Several questions asked at once: p values adjusted so that a study is rarely wrong at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core.errors import InputError
from core.statistics.checks import Array


def holm(p_values: ArrayLike) -> Array:
    """Adjust p values by Holm's step-down method; control of the family-wise error rate.

    Args:
        p_values: any shape, in [0, 1]. NaN (a comparison that could not be made) stays NaN and does
            not count as a comparison.

    Returns:
        Adjusted p values of the same shape: in ascending order of p, the running maximum of
        `(m - rank) p`, rank = 0, ..., m - 1, at most 1.

    Source: Holm, "A simple sequentially rejective multiple test procedure" (1979).

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    raw = np.asarray(p_values, dtype=np.float64)
    counted = ~np.isnan(raw)
    p = raw[counted]
    if ((p < 0) | (p > 1)).any():
        raise InputError("p_values: expected numbers between 0 and 1.")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.full(raw.shape, np.nan)
    in_order = np.empty_like(p)
    in_order[order] = np.minimum(stepped, 1.0)
    adjusted[counted] = in_order
    return adjusted
