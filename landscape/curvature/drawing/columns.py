"""Axes of grids whose last row is not full."""

from __future__ import annotations

import numpy as np


def label_columns(axes: np.ndarray, used: int) -> None:
    """Label the x axis of the lowest panel in each column of a grid that shares its x axes.

    Args:
        axes: of the grid, `(rows, columns)`.
        used: panels that are drawn in, row by row.
    """
    rows, across = axes.shape
    for column in range(across):
        last = (used - 1 - column) // across if used > column else -1
        if 0 <= last < rows - 1:
            axes[last, column].tick_params(labelbottom=True)
