"""Subsets that are the same everywhere, balanced between classes, each within the larger ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np


def balanced_order(
    labels: np.ndarray, ids: Sequence[str] | np.ndarray, seed: int = 0
) -> np.ndarray:
    """Return the order of all examples whose first n, for every n, are the subset of size n.

    Within a class the examples are ordered by the hash of (seed, id). The classes then take turns,
    so that in each prefix the counts of two classes differ by at most one, until one is used up.
    The order depends on the seed, the ids and their labels, not on the order they are given in.

    >>> labels = np.array([0, 0, 0, 0, 1, 1])
    >>> labels[balanced_order(labels, list("abcdef"))[:4]].sum()
    np.int64(2)
    """
    keys = [hashlib.sha256(f"{int(seed)}\x00{i}".encode()).digest() for i in ids]
    by_key = sorted(range(len(keys)), key=keys.__getitem__)
    seen: dict[int, int] = {}
    turns = np.empty(len(keys), np.int64)
    for position in by_key:
        label = int(labels[position])
        turns[position] = seen[label] = seen.get(label, -1) + 1
    ordered = np.asarray(by_key, np.int64)
    return ordered[np.argsort(turns[ordered], kind="stable")]
