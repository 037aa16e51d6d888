"""How many dimensions a cloud of points has, from the distances to two neighbours."""

from __future__ import annotations

import numpy as np
from scipy import stats

from autoencoders.latents.moments import checked_points
from core.errors import InputError
from core.statistics import Interval

MOST = 4096
"""Points that the dimension is found from."""


def two_nn(
    points: np.ndarray, *, discard: float = 0.1, level: float = 0.95, most: int = MOST
) -> Interval:
    """Estimate the intrinsic dimension by the ratio of the distances to two neighbours.

    Where the density of points hardly changes up to the second neighbour, `log(r_2 / r_1)` is
    exponential with rate d, whatever the density (Facco et al. 2017, "Estimating the intrinsic
    dimension of datasets by a minimal neighborhood information"). The largest ratios are the least
    trustworthy; they are taken as known only to be large, a sample censored at its r-th value: with
    `T` the sum of the r smaller logarithms and n - r times the r-th, the estimate is `(r - 1) / T`,
    unbiased, and `2 d T` is chi-squared with 2 r degrees of freedom (Epstein and Sobel 1953).

    The interval takes the n ratios as independent, which they nearly are, and knows nothing of what
    the model leaves out: points at boundaries and noise. The dimension is that of the scale at
    which neighbours lie: fewer points, or noise added to them, show another one.

    Args:
        points: `(n, k)`; of points that coincide one is kept.
        discard: share of the largest ratios.
        level: of confidence.
        most: points used, chosen at random, the same each time.

    Raises:
        InputError: fewer than 10 different points, or a share that is not from 0 to below 1.

    >>> line = np.random.default_rng(0).random((500, 1)) @ np.ones((1, 5))
    >>> found = two_nn(line)
    >>> bool(found.low < 1 < found.high)
    True
    """
    from sklearn.neighbors import NearestNeighbors

    if not 0 <= discard < 1:
        raise InputError(f"discard: expected a share from 0 to below 1, found {discard}.")
    values = np.unique(checked_points(points), axis=0)
    if len(values) > most:
        order = np.random.default_rng(0).permutation(len(values))
        values = values[np.sort(order[:most])]
    n = len(values)
    if n < 10:
        raise InputError(f"latents: expected at least 10 different ones, found {n}.")
    distances, _ = NearestNeighbors(n_neighbors=3).fit(values).kneighbors(values)
    logs = np.sort(np.log(distances[:, 2] / distances[:, 1]))
    kept = max(n - int(discard * n), 2)
    total = float(logs[:kept].sum() + (n - kept) * logs[kept - 1])
    tail = (1 - level) / 2
    low, high = stats.chi2.ppf([tail, 1 - tail], 2 * kept) / (2 * total)
    return Interval((kept - 1) / total, float(low), float(high), level)
