"""Names of the columns that a measure fills, and images kept inside a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np
import pandas as pd
import torch
from torch import Tensor

IMAGE = "image"


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


def with_images(table: pd.DataFrame, images: Tensor) -> pd.DataFrame:
    """Add images `(n, c, h, w)` to a table of n rows, as bytes of float32."""
    flat = images.detach().to("cpu", torch.float32).flatten(1).numpy().astype("<f4")
    return table.assign(**{IMAGE: [row.tobytes() for row in flat]})


def images_of(table: pd.DataFrame, shape: Sequence[int]) -> Tensor:
    """Return the images of a table, `(n, *shape)` in float32."""
    flat = np.frombuffer(b"".join(table[IMAGE]), dtype="<f4").reshape(len(table), prod(shape))
    return torch.from_numpy(flat.astype(np.float32)).reshape(len(table), *shape)
