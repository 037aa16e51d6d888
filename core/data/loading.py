"""`load_images`: a spec is understood, decoded once into the cache, and opened as an image set."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.data import arrays, content, digits, entry, vision_sets
from core.data.cache import cache_root, open_or_build
from core.data.decoding import Decoded, complaint, decode_files, unreadable_error, worth
from core.data.image_set import ImageSet, from_entry
from core.data.layouts import Listing, choose_split, recognise
from core.data.pixels import fit_array
from core.data.progress import progress_bar
from core.errors import InputError, unknown_name

log = logging.getLogger("inputscape")

NAMES = ("digits", *(f"{name}:FOLDER" for name in vision_sets.VISION_SETS))


@dataclass(frozen=True)
class _Source:
    """What a cache entry is made from: files, what else decides its content, and how it is made."""

    files: Sequence[str]
    description: dict[str, Any]
    build: Callable[[Path], None]


def load_images(
    spec: str | os.PathLike[str] = "digits",
    *,
    split: str | None = None,
    size: int | None = None,
    skip_unreadable: bool = False,
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> ImageSet:
    """Load an image set from a spec.

    Images are decoded once, in parallel, into a memory-mapped cache keyed by the content of the
    files; see `core.data.cache`. Files become RGB as `core.data.pixels.to_rgb` says; arrays keep
    their one or three channels.

    Args:
        spec: `digits`; a folder in a layout that is recognised (tiny-imagenet's own, class folders,
            images beside a labels.csv); a `.npz` or `.safetensors` file with images and labels; or
            `cifar10:FOLDER`, `cifar100:`, `mnist:`, `fashionmnist:` or `svhn:` with the folder that
            torchvision would be given as `root`.
        split: `train`, `val` or `test`; by default val, else test, else the only one there is.
        size: bring all images to `size` x `size`: the shorter side is resized (bilinear,
            antialiased) and the central square is cut out. By default they stay as they are, and
            all must have one size.
        skip_unreadable: leave out image files that cannot be read, instead of refusing the folder;
            they are named in a warning and in `ImageSet.skipped`.
        workers: number of decoding processes; by default as many as the work is worth, up to the
            number of cores.
        cache: folder for decoded images; by default `$INPUTSCAPE_CACHE` or ~/.cache/inputscape.

    Raises:
        InputError: for a spec, split or layout that is not known, for images that cannot be read or
            differ in size, for labels that do not fit, or a cache that cannot be written.

    Examples:
        >>> load_images("digits", split="train")
        <ImageSet digits train: 1197 of 1x8x8, 10 classes>
    """
    for name, value in (("--size", size), ("--workers", workers)):
        if value is not None and value < 1:
            raise InputError(f"{name}: expected a positive integer, found {value}.")
    text = os.fspath(spec)
    if text == "digits":
        return _load_digits(choose_split(split, digits.SPLITS), size)
    name, _, root = text.partition(":")
    path = Path(text).expanduser()
    if name in vision_sets.VISION_SETS and not path.exists():
        split, source = _vision_source(name, root, split, size)
    elif path.is_dir():
        split, source = _folder_source(path, split, size, skip_unreadable, workers)
    elif path.is_file():
        split, source = _file_source(path, split, size)
    else:
        raise _not_found(text)
    opened = open_or_build(cache_root(cache), source.description, source.files, source.build)
    if opened.skipped:
        of = len(opened.labels) + len(opened.skipped)
        if not skip_unreadable:
            raise unreadable_error(opened.skipped, of)
        log.warning("%s: %s; left out", text, complaint(opened.skipped, of))
    return from_entry(text, split, opened)


def _load_digits(split: str, size: int | None) -> ImageSet:
    images, labels, ids, names = digits.digits(split)
    images = images if size is None else fit_array(images, size)
    return ImageSet("digits", split, images, labels, ids, names)


def _folder_source(
    root: Path, split: str | None, size: int | None, skip_unreadable: bool, workers: int | None
) -> tuple[str, _Source]:
    layout = recognise(root)
    split = choose_split(split, layout.splits)
    listing = layout.list_split(split)

    def build(folder: Path) -> None:
        processes = worth(listing.paths) if workers is None else workers
        with progress_bar(f"decoding {root.name} {split}", len(listing.paths)) as advance:
            decoded = decode_files(
                listing.paths,
                listing.ids,
                folder / entry.PIXELS,
                size=size,
                skip_unreadable=skip_unreadable,
                workers=processes,
                advance=advance,
            )
        _describe(folder, listing, decoded)

    description = {"layout": layout.name, "split": split, "size": size, **asdict(listing)}
    del description["paths"]
    return split, _Source(listing.paths, description, build)


def _describe(folder: Path, listing: Listing, decoded: Decoded) -> None:
    """Complete the entry of a folder, without the rows that could not be read."""
    rows = np.array([r for r in range(len(listing.ids)) if r not in decoded.unreadable], np.int64)
    if decoded.unreadable:
        entry.keep_rows(folder, rows)
    entry.describe(
        folder,
        labels=np.array(listing.labels, np.int64)[rows],
        ids=np.array(listing.ids)[rows],
        class_names=listing.class_names,
        digests=decoded.digests[rows],
        skipped=[(listing.ids[row], why) for row, why in sorted(decoded.unreadable.items())],
    )


def _file_source(path: Path, split: str | None, size: int | None) -> tuple[str, _Source]:
    if path.suffix not in arrays.SUFFIXES:
        raise InputError(
            f"--data: {path} is not an image set; files must be {' or '.join(arrays.SUFFIXES)}."
        )
    chosen = choose_split(split, arrays.splits_of(path))
    description = {"layout": path.suffix, "split": chosen, "size": size}
    read = partial(arrays.read_split, path, chosen)
    return chosen, _Source([str(path)], description, partial(_build_arrays, read, size))


def _vision_source(
    name: str, root: str, split: str | None, size: int | None
) -> tuple[str, _Source]:
    folder = Path(root).expanduser()
    if not root or not folder.is_dir():
        raise InputError(
            f"--data: {name} needs the folder it lies in, {name}:FOLDER; "
            + (f"{folder} is not a folder." if root else "none was given.")
        )
    chosen = choose_split(split, vision_sets.SPLITS)
    description = {"layout": name, "split": chosen, "size": size}
    read = partial(vision_sets.read_split, name, folder, chosen)
    files = vision_sets.files_of(name, folder)
    return chosen, _Source(files, description, partial(_build_arrays, read, size))


def _build_arrays(read: Callable[[], arrays.Arrays], size: int | None, folder: Path) -> None:
    """Fill an entry from an image set that was read as a whole."""
    given = read()
    images = given.images if size is None else fit_array(given.images, size)
    entry.write_pixels(folder / entry.PIXELS, images.shape, lambda a, b: images[a:b])
    entry.describe(
        folder,
        labels=given.labels,
        ids=given.ids,
        class_names=given.class_names,
        digests=content.digests(images),
    )


def _not_found(text: str) -> InputError:
    if os.sep in text or Path(text).suffix or text.startswith(("~", ".")):
        return InputError(
            f"--data: {text} does not exist; expected a folder or a file with images."
        )
    return unknown_name("--data", text, NAMES, hint="Or the path of a folder or file with images.")
