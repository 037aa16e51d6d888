"""Image sets in one array file: `.npz` and `.safetensors`.

Both hold `images` and `labels` or, for several splits, `train_images`, `train_labels`, `val_images`
and so on. They may hold `class_names`, `ids` (`train_ids`, ...) and, for images whose shape does
not tell, `layout`: `NHWC` or `NCHW`. Tensors of `.safetensors` cannot be strings; there these three
are JSON in the metadata, such as `{"class_names": "[\\"cat\\", \\"dog\\"]"}`.
"""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.layouts import SPLITS, WHOLE, numbered
from core.errors import InputError

SUFFIXES = (".npz", ".safetensors")
CHANNELS = (1, 3)

log = logging.getLogger("inputscape")


@dataclass(frozen=True)
class Arrays:
    """A checked image set: images `(n, c, h, w)` uint8, labels and ids `(n,)`, class names."""

    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class _Open:
    """An open file: the names in it, and how to get the value of one."""

    names: Sequence[str]
    get: Callable[[str], Any]

    def optional(self, name: str) -> Any:
        return self.get(name) if name in self.names else None


def splits_of(path: Path) -> tuple[str, ...]:
    """Return the splits in a file, or `all` if it holds one set without a name.

    Raises:
        InputError: if it cannot be read or holds no images.
    """
    with _opened(path) as file:
        if "images" in file.names:
            return (WHOLE,)
        splits = tuple(split for split in SPLITS if f"{split}_images" in file.names)
        if not splits:
            raise InputError(
                f"--data: {path} has no array 'images' (nor 'train_images', ...); it holds "
                f"{', '.join(sorted(file.names)) or 'nothing'}."
            )
        return splits


def read_split(path: Path, split: str) -> Arrays:
    """Read and check one split of a file.

    Float images are rounded to 8 bits; a warning says so if that changes them.

    Raises:
        InputError: if something is missing, of another length, kind or range than it must be, or
            if the shape does not tell where the channels are.
    """
    prefix = "" if split == WHOLE else f"{split}_"
    with _opened(path) as file:
        for name in (f"{prefix}images", f"{prefix}labels"):
            if name not in file.names:
                raise InputError(f"--data: {path} has no array {name!r}.")
        layout = file.optional("layout")
        images = to_nchw(
            file.get(f"{prefix}images"), str(path), None if layout is None else str(layout)
        )
        ids = file.optional(f"{prefix}ids")
        names = file.optional("class_names")
        labels = np.asarray(file.get(f"{prefix}labels"))
    return check(
        to_uint8(images, str(path)),
        labels,
        where=str(path),
        ids=[f"{split}/{i:06d}" for i in range(len(images))]
        if ids is None
        else _texts(ids, "ids", path),
        class_names=None if names is None else _texts(names, "class_names", path),
    )


def to_nchw(images: np.ndarray, where: str, layout: str | None = None) -> np.ndarray:
    """Return images as `(n, c, h, w)`, from NHWC, NCHW or greyscale `(n, h, w)`.

    Without `layout`, the channels are the second axis or the last: the one that has length 1 or 3.

    >>> to_nchw(np.zeros((5, 8, 8, 3)), "x.npz").shape
    (5, 3, 8, 8)
    """
    if layout not in (None, "NHWC", "NCHW"):
        raise InputError(f"--data: {where}: layout must be NHWC or NCHW, found {layout!r}.")
    if images.ndim == 3:
        return images[:, None]
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(
            f"--data: {where}: images must have the shape (n, h, w, c), (n, c, h, w) or (n, h, w), "
            f"found {images.shape}."
        )
    if layout is None:
        first, last = (images.shape[axis] in CHANNELS for axis in (1, 3))
        if first == last:
            state = "both its second and its last axis could be" if first else "neither axis is"
            raise InputError(
                f"--data: {where}: the shape {images.shape} does not tell where the channels (1 or "
                f"3) are, {state}; add 'layout', NHWC or NCHW, to the file."
            )
        layout = "NCHW" if first else "NHWC"
    return images if layout == "NCHW" else images.transpose(0, 3, 1, 2)


def to_uint8(images: np.ndarray, where: str) -> np.ndarray:
    """Return images as uint8: as they are, or `round(255 x)` of floats x in [0, 1]."""
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    if not np.issubdtype(images.dtype, np.floating):
        raise InputError(
            f"--data: {where}: images must be uint8, or floats in [0, 1], found {images.dtype}."
        )
    out = np.empty(images.shape, np.uint8)
    change = 0.0
    for row, image in enumerate(images):
        lowest, highest = float(image.min()), float(image.max())
        if not np.isfinite([lowest, highest]).all():
            raise InputError(f"--data: {where}: image {row} has values that are not finite.")
        if lowest < 0 or highest > 1:
            raise InputError(
                f"--data: {where}: float images must lie in [0, 1], image {row} goes from "
                f"{lowest:g} to {highest:g}."
            )
        levels = image.astype(np.float64) * 255
        rounded = np.rint(levels)
        change = max(change, float(np.abs(levels - rounded).max()))
        out[row] = rounded
    if change > 0.01:
        log.warning("%s: images rounded to 8 bits, by at most %.2f / 255", where, change)
    return out


def check(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    where: str,
    ids: Sequence[str],
    class_names: Sequence[str] | None = None,
) -> Arrays:
    """Return an image set whose parts fit together.

    Raises:
        InputError: for labels that are not integers of classes, for parts of different lengths, or
            for ids and class names that occur twice.
    """
    if labels.shape == (len(images), 1):
        labels = labels[:, 0]
    if labels.shape != (len(images),):
        raise InputError(
            f"--data: {where}: expected one label for each of the {len(images)} images, found "
            f"labels of shape {labels.shape}."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"--data: {where}: labels must be integers, found {labels.dtype}.")
    if not len(images):
        raise InputError(f"--data: {where} holds no image.")
    lowest, highest = int(labels.min()), int(labels.max())
    names = numbered(lowest, highest) if class_names is None else list(class_names)
    if lowest < 0 or highest >= len(names):
        raise InputError(
            f"--data: {where}: labels must be 0 to {len(names) - 1} ({len(names)} class names), "
            f"found {lowest if lowest < 0 else highest}."
        )
    if len(ids) != len(images):
        raise InputError(f"--data: {where}: {len(ids)} ids for {len(images)} images.")
    for what, texts in (("ids", ids), ("class_names", names)):
        if len(set(texts)) != len(texts):
            twice = next(text for text in texts if list(texts).count(text) > 1)
            raise InputError(f"--data: {where}: {what} must be unique, {twice!r} occurs twice.")
    return Arrays(images, labels.astype(np.int64), np.array(ids), tuple(names))


def _texts(values: Any, name: str, path: Path) -> list[str]:
    if isinstance(values, np.ndarray):
        values = values.tolist() if values.ndim == 1 and values.dtype.kind == "U" else None
    if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
        raise InputError(f"--data: {path}: {name} must be a list of strings.")
    return values


@contextmanager
def _opened(path: Path) -> Iterator[_Open]:
    """Open an array file; whatever is wrong with the file itself becomes one sentence."""
    from safetensors import SafetensorError, safe_open

    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                yield _Open(file.files, file.__getitem__)
        else:
            with safe_open(path, framework="pt") as file:
                texts = {k: json.loads(v) for k, v in (file.metadata() or {}).items() if _ours(k)}
                yield _Open([*file.keys(), *texts], lambda name: _value(file, texts, name))
    except InputError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, SafetensorError) as error:
        if "pickle" in str(error):
            raise InputError(
                f"--data: {path} holds Python objects (a pickle), which are not loaded; save plain "
                "arrays of numbers and strings."
            ) from error
        raise InputError(f"--data: {path} cannot be read as {path.suffix} ({error}).") from error


def _ours(name: str) -> bool:
    return name in ("class_names", "layout") or name.endswith("ids")


def _value(file: Any, texts: dict[str, Any], name: str) -> Any:
    """Return a tensor as an array, or the value of a text of the metadata."""
    if name in texts:
        return texts[name]
    tensor = file.get_tensor(name)
    return (tensor.float() if tensor.dtype.is_floating_point else tensor).numpy()
