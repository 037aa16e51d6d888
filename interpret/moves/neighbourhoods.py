"""What a neighbourhood is made of: its classes, how mixed they are, what two have in common."""

from __future__ import annotations

import numpy as np


def composition(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the share of each class among neighbours, `(n, k)` labels to `(n, classes)`."""
    counts = np.zeros((len(labels), classes))
    for column in labels.T:
        counts[np.arange(len(labels)), column] += 1
    return counts / labels.shape[1]


def majority(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the class that most neighbours have, `(n,)`; of several the one that is nearest.

    Args:
        labels: `(n, k)`, nearest first.
        classes: how many there are.

    >>> majority(np.array([[2, 1, 1, 2]]), 3)
    array([2])
    """
    shares = composition(labels, classes)
    tied = np.take_along_axis(shares, labels, 1) == shares.max(1)[:, None]
    return labels[np.arange(len(labels)), tied.argmax(1)]


def entropy(shares: np.ndarray) -> np.ndarray:
    """Return the entropy of shares `(n, classes)` in nats, `(n,)`.

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).round(4)
    array([0.6931, 0.    ])
    """
    logs = np.log(np.where(shares > 0, shares, 1))
    return np.abs((shares * logs).sum(1))


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the share of neighbours `(n, k)` that both have, `(n,)`.

    >>> overlap(np.array([[1, 2, 3, 4]]), np.array([[4, 3, 8, 9]]))
    array([0.5])
    """
    return (first[:, :, None] == second[:, None, :]).any(2).mean(1)
