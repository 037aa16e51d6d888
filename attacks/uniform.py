"""Steps drawn uniformly: from a ball, or from the surface of the l1 ball."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from attacks.norms import lengths, per_example, unit
from core import randomness


def in_ball(streams: Sequence[np.random.Generator], images: Tensor, norm: str) -> Tensor:
    """Draw steps uniformly from the ball of radius 1, `(n, ...)`; the box is not asked.

    Args:
        streams: the random numbers of each image.
        images: `(n, ...)`; only their shape, type and device are read.
        norm: `linf`, `l2` or `l1`.
    """
    shape = images.shape[1:]
    if norm == "linf":
        return 2 * randomness.uniform(streams, shape, images) - 1
    if norm == "l1":
        return in_cross_polytope(streams, images)
    directions = unit(randomness.normal(streams, shape, images))
    share = randomness.uniform(streams, (), images) ** (1 / shape.numel())
    return per_example(share, images) * directions


def in_cross_polytope(streams: Sequence[np.random.Generator], images: Tensor) -> Tensor:
    """Draw steps uniformly from the l1 ball of radius 1, `(n, ...)`.

    Exponential numbers divided by the sum of all and one more are uniform on the simplex; signs are
    fair.
    """
    shape = images.shape[1:]
    uniform = randomness.uniform(streams, (shape.numel() + 1,), images)
    drawn = -torch.log1p(-uniform)
    drawn = drawn[:, 1:] / drawn.sum(1, keepdim=True)
    return drawn.reshape(images.shape) * randomness.signs(streams, shape, images)


def on_cross_polytope(streams: Sequence[np.random.Generator], images: Tensor) -> Tensor:
    """Draw steps of l1 length 1 uniformly: exponential sizes over their sum, with fair signs."""
    shape = images.shape[1:]
    drawn = -torch.log1p(-randomness.uniform(streams, shape, images))
    signs = randomness.signs(streams, shape, images)
    return signs * drawn / per_example(lengths(drawn, "l1"), images)
