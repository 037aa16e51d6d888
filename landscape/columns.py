"""Names of the columns that a measure fills."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd


def column(measure: str, radius: float) -> str:
    """Return the column of a measure at a radius.

    >>> column("gaussian_rise", 0.1)
    'gaussian_rise@0.1'
    """
    return f"{measure}@{radius:.6g}"


def radii_in(columns: Iterable[str], measure: str) -> list[float]:
    """Return the radii at which a measure has a column, ascending.

    >>> radii_in(["gaussian_rise@0.2", "gaussian_rise@0.1", "loss"], "gaussian_rise")
    [0.1, 0.2]
    """
    start = f"{measure}@"
    return sorted(float(c.removeprefix(start)) for c in columns if c.startswith(start))


def curves(table: pd.DataFrame, measure: str) -> tuple[list[float], np.ndarray]:
    """Return the radii of a measure and its values, `(n, r)`."""
    radii = radii_in(table.columns, measure)
    return radii, table[[column(measure, r) for r in radii]].to_numpy(dtype=float)
