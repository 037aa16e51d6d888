"""Images kept inside a table, so that a shard holds an example and all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import pandas as pd
import torch
from torch import Tensor

IMAGE = "image"


def with_images(table: pd.DataFrame, images: Tensor) -> pd.DataFrame:
    """Add images `(n, c, h, w)` to a table of n rows, as bytes of float32."""
    flat = images.detach().to("cpu", torch.float32).flatten(1).numpy().astype("<f4")
    return table.assign(**{IMAGE: [row.tobytes() for row in flat]})


def images_of(table: pd.DataFrame, shape: Sequence[int]) -> Tensor:
    """Return the images of a table, `(n, *shape)` in float32.

    >>> table = with_images(pd.DataFrame({"id": ["a", "b"]}), torch.rand(2, 3, 4, 4))
    >>> images_of(table, (3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """
    flat = np.frombuffer(b"".join(table[IMAGE]), dtype="<f4").reshape(len(table), prod(shape))
    return torch.from_numpy(flat.astype(np.float32)).reshape(len(table), *shape)
