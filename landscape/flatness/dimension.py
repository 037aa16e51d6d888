"""How many dimensions the genuine images have around an example: local intrinsic dimension."""

from __future__ import annotations

import torch
from torch import Tensor

from core.errors import InputError

_SAME = 1e-12
"""Two points are one where their squared distance is at most this share of their squared norms."""


def local_dimension(
    points: Tensor,
    references: Tensor,
    *,
    neighbours: int = 20,
    allowed: Tensor | None = None,
    batch_size: int = 256,
) -> Tensor:
    """Estimate the dimension of the references around each point, from its nearest neighbours.

    With `T_1 <= ... <= T_k` the distances of its `k` neighbours, the estimate is
    `(k - 2) / sum_{j < k} log(T_k / T_j)`: the maximum likelihood of Levina and Bickel 2004,
    "Maximum likelihood estimation of intrinsic dimension", in the form that is unbiased where the
    references are uniform around the point. Amsaleg et al. 2015 derive it, up to the factor, from
    how distances to a point are distributed ("Estimating local intrinsic dimensionality"); Ma et
    al. 2018 take it as a mark of adversarial images ("Characterizing adversarial subspaces using
    local intrinsic dimensionality"). Its relative standard error is `1 / sqrt(k - 3)`.

    Args:
        points: `(n, ...)`, images or what a layer makes of them.
        references: `(m, ...)` of the same shape, genuine.
        neighbours: `k`, at least 4.
        allowed: `(n, m)` whether a reference may be a neighbour: not the example itself, and not
            the image that it was made from, whose distance says only how long the step was. None:
            all. A reference that coincides with the point is never one.
        batch_size: points, and references, at a time; it changes the numbers by float rounding.

    Returns:
        `(n,)`, float64 on the CPU; infinite where all neighbours are equally far.

    Raises:
        InputError: fewer than 4 neighbours, or a point with fewer references than neighbours.

    Cost: `n m` distances; no pass of a network.

    >>> line = torch.linspace(0, 1, 101).unsqueeze(1)
    >>> bool((local_dimension(line[50:51], line, neighbours=40) - 1).abs() < 0.1)
    True
    """
    if neighbours < 4:
        raise InputError(f"--neighbours: expected at least 4, found {neighbours}.")
    found = [torch.zeros(0, dtype=torch.float64)]
    for start in range(0, len(points), batch_size):
        rows = slice(start, start + batch_size)
        distances = _squared_distances(points[rows], references, batch_size)
        if allowed is not None:
            distances = distances.masked_fill(~allowed[rows].cpu(), torch.inf)
        nearest = _nearest(distances, neighbours)
        # Half the logarithm of a squared ratio is that of the ratio.
        logs = (nearest[:, -1:] / nearest[:, :-1]).log().sum(1) / 2
        found.append((neighbours - 2) / logs)
    return torch.cat(found)


def pooled_dimension(local: Tensor, neighbours: int) -> Tensor:
    """Return one estimate for all points: the inverse of the mean of their inverse dimensions.

    MacKay and Ghahramani 2005, "Comments on maximum likelihood estimation of intrinsic dimension by
    E. Levina and P. Bickel": inverse dimensions are what may be averaged over points, each with
    `k - 1` where the single estimate has `k - 2`.

    Args:
        local: `(n,)` of `local_dimension`.
        neighbours: as given there.

    >>> pooled_dimension(torch.tensor([1.0, 3.0]), neighbours=12).round(decimals=2)
    tensor(1.6500)
    """
    return (neighbours - 1) / (neighbours - 2) / local.reciprocal().mean()


def _squared_distances(points: Tensor, references: Tensor, batch_size: int) -> Tensor:
    """Return squared distances, `(n, m)` in float64; infinite where both are the same point.

    References are taken in parts, so that few of them are there in float64 at a time.
    """
    ours = points.flatten(1).cpu().double()
    middle = ours.mean(0)  # differences of squares lose nothing to a common offset
    ours = ours - middle
    parts = []
    for some in references.split(batch_size):
        others = some.flatten(1).cpu().double() - middle
        squares = ours.square().sum(1, keepdim=True) + others.square().sum(1)
        distances = squares - 2 * ours @ others.T
        parts.append(distances.masked_fill(distances <= _SAME * squares, torch.inf))
    return torch.cat(parts, 1)


def _nearest(distances: Tensor, neighbours: int) -> Tensor:
    """Return the smallest distances of each row, ascending, `(n, k)`."""
    enough = distances.isfinite().sum(1)
    if len(enough) and int(enough.min()) < neighbours:
        raise InputError(
            f"--neighbours: expected at most the {int(enough.min())} genuine references of an "
            f"example, found {neighbours}."
        )
    return distances.topk(neighbours, 1, largest=False).values
