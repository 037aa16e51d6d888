"""Images as a page shows them: PNG bytes, data URIs, differences and grids."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from core.errors import InputError


def to_uint8(image: ArrayLike) -> np.ndarray:
    """Return an image `(c, h, w)` in [0, 1] as `(h, w)` or `(h, w, 3)` bytes; clipped to the box.

    Raises:
        InputError: another shape, or a value that is not finite.
    """
    array = np.asarray(image, dtype=np.float64)
    if array.ndim != 3 or array.shape[0] not in (1, 3):
        raise InputError(f"image: expected (1, h, w) or (3, h, w), found shape {array.shape}.")
    if not np.isfinite(array).all():
        raise InputError("image: some values are not finite.")
    pixels = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
    return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)


def difference(image: ArrayLike, reference: ArrayLike, gain: float = 10.0) -> np.ndarray:
    """Return `gain * (image - reference)` centred at mid grey: grey is no change.

    >>> difference(np.full((1, 1, 1), 0.52), np.full((1, 1, 1), 0.5)).round(3).item()
    0.7
    """
    change = np.asarray(image, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    return np.clip(0.5 + gain * change, 0, 1)


def png(image: ArrayLike) -> bytes:
    """Return an image `(c, h, w)` in [0, 1] as the bytes of a PNG, one pixel each."""
    stream = io.BytesIO()
    Image.fromarray(to_uint8(image)).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def data_uri(image: ArrayLike | bytes | Path) -> str:
    """Return a PNG (an image array, its bytes, or a file) as a URI that a page can hold.

    A file may also be a GIF.

    >>> data_uri(np.zeros((1, 2, 2)))[:22]
    'data:image/png;base64,'
    """
    kind = "png"
    if isinstance(image, Path):
        content = image.read_bytes()
        kind = "gif" if image.suffix == ".gif" else kind
    else:
        content = image if isinstance(image, bytes) else png(image)
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")


def grid(images: Sequence[ArrayLike] | np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Lay images of one shape `(c, h, w)` out in rows, a white gap between them.

    Returns:
        `(c, rows * (h + gap) - gap, columns * (w + gap) - gap)`.

    >>> grid(np.zeros((5, 3, 8, 8)), columns=3).shape
    (3, 17, 26)
    """
    tiles = np.asarray(images, dtype=np.float64)
    if tiles.ndim != 4 or len(tiles) == 0 or columns < 1:
        raise InputError(f"images: expected (n, c, h, w) and columns >= 1, found {tiles.shape}.")
    n, channels, height, width = tiles.shape
    rows = -(-n // columns)
    sheet = np.ones((channels, rows * (height + gap) - gap, columns * (width + gap) - gap))
    for index, tile in enumerate(tiles):
        top = index // columns * (height + gap)
        left = index % columns * (width + gap)
        sheet[:, top : top + height, left : left + width] = tile
    return sheet
