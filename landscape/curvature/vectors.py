"""What all that works on rows of vectors needs."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 2**28
"""Numbers kept for one block of examples: 1 GiB in float32."""


def unit(vectors: Tensor) -> Tensor:
    """Scale the last dimension to length 1; vectors of length 0 stay.

    The largest entry goes first: the square of 1e-30 is 0 in float32.

    >>> unit(torch.tensor([[3e-30, 4e-30], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    largest = vectors.abs().amax(-1, keepdim=True)
    scaled = vectors / torch.where(largest > 0, largest, 1)
    length = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
    return scaled / torch.where(length > 0, length, 1)
