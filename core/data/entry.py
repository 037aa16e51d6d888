"""One entry of the cache: a folder with the pixels, the examples and a few words about them."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.data import content

PIXELS, EXAMPLES, ABOUT = "images.npy", "examples.npz", "about.json"


class DamagedEntryError(Exception):
    """An entry is incomplete or does not hold what it says."""


@dataclass(frozen=True)
class Entry:
    """What an entry holds; `images` is a read-only memory map of `(n, c, h, w)` uint8."""

    folder: Path
    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    class_names: tuple[str, ...]
    digests: np.ndarray
    fingerprint: str
    skipped: tuple[tuple[str, str], ...]


def describe(
    folder: Path,
    *,
    labels: np.ndarray,
    ids: np.ndarray,
    class_names: Sequence[str],
    digests: np.ndarray,
    skipped: Sequence[tuple[str, str]] = (),
) -> None:
    """Complete an entry whose pixels are written, and flush all of it to the disk.

    Args:
        folder: the folder, which holds `images.npy`.
        labels: `(n,)` int64.
        ids: `(n,)` strings.
        class_names: one per class.
        digests: `(n, 16)` uint8.
        skipped: id and reason of each example that was left out.
    """
    pixels = folder / PIXELS
    shape = np.load(pixels, mmap_mode="r", allow_pickle=False).shape[1:]
    with open(folder / EXAMPLES, "wb") as file:
        np.savez(file, labels=labels, ids=ids, digests=digests)
    about = {
        "class_names": list(class_names),
        "skipped": [list(pair) for pair in skipped],
        "fingerprint": content.fingerprint(shape, labels, ids, class_names, digests),
    }
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    for path in (pixels, folder / EXAMPLES, folder / ABOUT, folder):
        sync(path)


def keep_rows(folder: Path, rows: np.ndarray) -> None:
    """Reduce the pixels of an unfinished entry to some of its rows, in the given order."""
    pixels, reduced = folder / PIXELS, folder / "reduced.npy"
    images = np.load(pixels, mmap_mode="r", allow_pickle=False)
    write_pixels(reduced, (len(rows), *images.shape[1:]), lambda a, b: images[rows[a:b]])
    os.replace(reduced, pixels)


def write_pixels(
    path: Path, shape: tuple[int, ...], block: Callable[[int, int], np.ndarray], rows: int = 256
) -> None:
    """Write a uint8 `.npy` file of the given shape, whose rows a to b are `block(a, b)`."""
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, shape[0], rows):
            file.write(np.ascontiguousarray(block(start, min(start + rows, shape[0]))).data)


def read(folder: Path) -> Entry:
    """Open an entry.

    Raises:
        DamagedEntryError: if a file is missing, cut short or does not fit the others.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        # Mapping fails where the file is shorter than its header says.
        images = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
        with np.load(folder / EXAMPLES, allow_pickle=False) as examples:
            labels, ids, digests = (examples[name] for name in ("labels", "ids", "digests"))
        names = tuple(about["class_names"])
        found = content.fingerprint(images.shape[1:], labels, ids, names, digests)
        if found != about["fingerprint"] or len(images) != len(ids) or images.dtype != np.uint8:
            raise DamagedEntryError(f"{folder} does not hold what it says")
        skipped = tuple((name, why) for name, why in about["skipped"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedEntryError(f"{folder}: {error}") from error
    return Entry(folder, images, labels, ids, names, digests, found, skipped)


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
