"""How far the classes lie apart in a latent space."""

from __future__ import annotations

import numpy as np

from autoencoders.latents.moments import checked_points
from core.errors import InputError
from core.statistics import Interval, wilson


def fisher_ratio(points: np.ndarray, labels: np.ndarray) -> float:
    """Return the variance between classes over that within them, `tr S_B / tr S_W`.

    `S_B` is the covariance of the class means, each with the weight of its class, `S_W` the mean
    covariance within the classes (Fukunaga 1990, "Introduction to statistical pattern recognition",
    10.2). Both add up to the whole covariance: a ratio of r says that the class explains
    `r / (1 + r)` of it. Rotating or rescaling the latents changes nothing.

    Args:
        points: `(n, k)`.
        labels: `(n,)`, at least two classes.

    Returns:
        The ratio; infinite where nothing varies within a class.

    >>> fisher_ratio(np.array([[0.0], [2.0], [4.0], [6.0]]), np.array([0, 0, 1, 1]))
    4.0
    """
    values, own = _checked(points, labels)
    _, places, counts = np.unique(own, return_inverse=True, return_counts=True)
    means = class_means(values, places, counts)
    within = float(np.square(values - means[places]).sum())
    between = float(counts @ np.square(means - values.mean(0)).sum(1))
    return between / within if within > 0 else float("inf")


def nearest_mean_accuracy(
    train: np.ndarray, train_labels: np.ndarray, held_out: np.ndarray, labels: np.ndarray
) -> Interval:
    """Return how often the nearest class mean is that of the own class, with Wilson's interval.

    Args:
        train: `(m, k)`, which the means are taken of.
        train_labels: `(m,)`, at least two classes.
        held_out: `(n, k)` other latents.
        labels: `(n,)` their classes.

    >>> ends, labels = np.array([[0.0], [1.0]]), np.array([0, 1])
    >>> nearest_mean_accuracy(ends, labels, np.array([[0.2], [0.3]]), labels).estimate
    0.5
    """
    values, own = _checked(train, train_labels)
    classes, places, counts = np.unique(own, return_inverse=True, return_counts=True)
    means = class_means(values, places, counts)
    others = checked_points(held_out, least=1)
    squared = np.square(means).sum(1) - 2 * others @ means.T
    right = classes[squared.argmin(1)] == np.asarray(labels)
    return wilson(int(right.sum()), len(right))


def class_means(values: np.ndarray, places: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the mean of each class, `(c, k)`, from each row's place among the classes."""
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, places, values)
    means: np.ndarray = sums / counts[:, None]
    return means


def _checked(points: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, own = checked_points(points), np.asarray(labels)
    if own.shape != (len(values),) or len(np.unique(own)) < 2:
        raise InputError(
            f"labels: expected one for each of {len(values)} latents, of at least two classes."
        )
    return values, own
