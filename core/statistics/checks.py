"""What every statistic asks of its input: numbers, finite, of the right shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core.errors import InputError

Array = np.ndarray


def finite(name: str, values: ArrayLike, *, ndim: tuple[int, ...] = (1,)) -> Array:
    """Return `values` as float64; refuse another number of axes, none at all, NaN and infinity."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in ndim or array.size == 0:
        expected = " or ".join(f"{d}-D" for d in ndim)
        raise InputError(
            f"{name}: expected {expected} non-empty numbers, found shape {array.shape}."
        )
    bad = int(array.size - np.isfinite(array).sum())
    if bad:
        raise InputError(f"{name}: {bad} of {array.size} values are not finite.")
    return array


def pairs(a: ArrayLike, b: ArrayLike, names: tuple[str, str] = ("a", "b")) -> tuple[Array, Array]:
    """Return two finite 1-D arrays of one length: entry i of both belongs to one example."""
    first, second = finite(names[0], a), finite(names[1], b)
    if len(first) != len(second):
        raise InputError(
            f"{names[0]} and {names[1]} are paired, but hold {len(first)} and {len(second)} values."
        )
    return first, second


def level_of(level: float) -> float:
    """Return the confidence level; refuse one outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InputError(f"level: expected a number between 0 and 1, such as 0.95; found {level}.")
    return float(level)
