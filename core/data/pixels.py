"""One image file becomes 8-bit RGB pixels; the one place that decides how."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
"""File names with these endings (in any case) are images."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any kind to 8-bit RGB.

    Greyscale is repeated in the three channels; a palette is looked up; CMYK is converted without a
    colour profile; transparency is dropped; 16-bit greyscale is scaled by 1/257 (65,535 becomes
    255) and not clipped; the orientation in EXIF is not applied. Except for 16-bit greyscale this
    is what torchvision's `ImageFolder` does.

    Raises:
        ValueError: for pixels that have no agreed range (floating point, 32-bit integers).
    """
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        deep = np.asarray(image).astype(np.float64)
        image = Image.fromarray(np.rint(deep / 257.0).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"pixels of kind {image.mode!r} have no agreed range")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def fit(image: Image.Image, size: int) -> Image.Image:
    """Resize the shorter side to `size` (bilinear, antialiased), then cut out the central square.

    The sizes and the cut are those of torchvision's `Resize(size)` followed by `CenterCrop(size)`.

    >>> fit(Image.new("L", (30, 20)), 10).size
    (10, 10)
    """
    width, height = image.size
    short, long = min(width, height), max(width, height)
    scaled = int(size * long / short)
    target = (size, scaled) if width <= height else (scaled, size)
    if target != image.size:
        image = image.resize(target, Image.Resampling.BILINEAR)
    left, top = round((target[0] - size) / 2), round((target[1] - size) / 2)
    if target == (size, size):
        return image
    return image.crop((left, top, left + size, top + size))


def fit_array(images: np.ndarray, size: int) -> np.ndarray:
    """Do to each channel of `(n, c, h, w)` uint8 images what `fit` does to an image file."""
    if images.shape[2:] == (size, size):
        return images
    out = np.empty((*images.shape[:2], size, size), np.uint8)
    for index in np.ndindex(*images.shape[:2]):
        out[index] = np.asarray(fit(Image.fromarray(np.ascontiguousarray(images[index])), size))
    return out


def decode(path: str, size: int | None = None) -> np.ndarray:
    """Decode an image file to `(3, h, w)` uint8, resized by `fit` only if `size` is given.

    Raises:
        Exception: whatever Pillow raises for a file that it cannot read to its end.
    """
    with open(path, "rb") as file:
        content = file.read()
    if not content:
        raise ValueError("the file is empty")
    with Image.open(io.BytesIO(content)) as opened:
        image = to_rgb(opened)
        if size is not None:
            image = fit(image, size)
        return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
