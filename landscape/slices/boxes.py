"""Where a plane leaves the box of valid images."""

from __future__ import annotations

import torch
from torch import Tensor

from landscape.slices.evaluation import TOLERANCE


def box_outline(origin: Tensor, axes: Tensor, ends: Tensor) -> Tensor:
    """Return the part of a rectangle of a plane where all pixels lie in [0, 1]: its corners.

    Each pixel allows a strip of the plane, so what all allow is a convex polygon. The rectangle is
    cut (Sutherland and Hodgman 1974) at the limit that its corners violate most, until they violate
    none. A pixel may be beyond its limit by 1e-6, as rounding has it.

    Args:
        origin: `(...)`, a point of the plane.
        axes: `(2, ...)`.
        ends: `(4,)`: the rectangle, a_low, a_high, b_low, b_high.

    Returns:
        `(k, 2)`, float64, in order around the polygon; `(0, 2)` where no part is inside.

    Cost: two products of the axes with a handful of corners per cut; no pass of the classifier.

    >>> box_outline(torch.zeros(2), torch.eye(2), torch.tensor([-1.0, 3.0, -1.0, 0.5])).round()
    tensor([[-0., -0.],
            [1., -0.],
            [1., 0.],
            [-0., 0.]], dtype=torch.float64)
    """
    middle, slopes = origin.flatten().cpu().double(), axes.flatten(1).cpu().double()
    low_a, high_a, low_b, high_b = (float(end) for end in ends)
    corners = torch.tensor(
        [[low_a, low_b], [high_a, low_b], [high_a, high_b], [low_a, high_b]], dtype=torch.float64
    )
    while len(corners) > 2:
        pixels = middle + corners @ slopes
        above, below = (pixels - 1).amax(0), (-pixels).amax(0)
        worst = torch.maximum(above, below)
        pixel = int(worst.argmax())
        if float(worst[pixel]) <= TOLERANCE:
            return corners
        beyond = pixels[:, pixel] - 1 if above[pixel] >= below[pixel] else -pixels[:, pixel]
        corners = _cut(corners, beyond - TOLERANCE / 2)
    return corners[:0]


def _cut(corners: Tensor, beyond: Tensor) -> Tensor:
    """Cut a convex polygon at the line where a linear function, known at its corners, is 0."""
    kept = []
    for i in range(len(corners)):
        here, there = beyond[i - 1], beyond[i]
        if bool((here > 0) != (there > 0)):
            kept.append(corners[i - 1] + (corners[i] - corners[i - 1]) * here / (here - there))
        if there <= 0:
            kept.append(corners[i])
    return torch.stack(kept) if kept else corners[:0]
