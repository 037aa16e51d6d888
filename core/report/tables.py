"""Tables as a report shows them: columns of text made of columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.report import words
from core.statistics import Interval


def intervals(
    rows: pd.DataFrame,
    columns: Sequence[str],
    *,
    scale: float = 1.0,
    unit: str = "",
) -> list[str]:
    """Return one text per row for estimate, low and high; `n/a` where there is no estimate.

    Args:
        rows: a line each.
        columns: the names of these three; all rows are `n/a` where the first is no column.
        scale: factor for all of them, 100 for a percentage.
        unit: set after each.

    >>> rows = pd.DataFrame({"auc": [0.5, float("nan")], "low": [0.41, 0], "high": [0.6, 1]})
    >>> intervals(rows, ("auc", "low", "high"), scale=100, unit="%")
    ['50% [41%, 60%]', 'n/a']
    """
    if columns[0] not in rows:
        return ["n/a"] * len(rows)
    return [
        words.interval(Interval(*line), scale=scale, unit=unit) if np.isfinite(line[0]) else "n/a"
        for line in rows[list(columns)].to_numpy(float)
    ]
