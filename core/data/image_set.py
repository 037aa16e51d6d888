"""Images with labels, class names and a stable id per example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.data import content, entry
from core.data.subsets import balanced_order
from core.errors import InputError, unknown_name

Indices = Sequence[int] | np.ndarray | Tensor | slice


@dataclass(frozen=True)
class Origin:
    """Where the pixels of a set lie: a folder of the cache, and its rows, or None for all."""

    folder: Path
    rows: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ImageSet:
    """An immutable image set.

    A set that lies in the cache is pickled as the place where it lies, without its pixels.

    Attributes:
        spec: what it was loaded from, as the user wrote it.
        split: the name of the split.
        images: `(n, c, h, w)` uint8, perhaps a read-only memory map.
        labels: `(n,)` int64.
        ids: `(n,)` unique strings, the same on every machine.
        class_names: one per class, in the order of the labels.
        fingerprint: sha256 hex of pixels, labels, ids and class names; computed if not given.
        skipped: ids of examples left out because they could not be read.

    Examples:
        >>> from core.data import load_images
        >>> digits = load_images("digits").subset(100)
        >>> images, labels = digits.tensors()
        >>> images.shape, float(images.max()), labels.bincount().tolist()
        (torch.Size([100, 1, 8, 8]), 1.0, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10])
    """

    spec: str
    split: str
    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    class_names: tuple[str, ...]
    fingerprint: str = ""
    skipped: tuple[str, ...] = ()
    digests: np.ndarray | None = field(default=None, repr=False)
    origin: Origin | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.fingerprint:
            digests = content.digests(self.images) if self.digests is None else self.digests
            whole = content.fingerprint(
                self.shape, self.labels, self.ids, self.class_names, digests
            )
            object.__setattr__(self, "digests", digests)
            object.__setattr__(self, "fingerprint", whole)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        kind = "x".join(map(str, self.shape))
        what = f"{len(self)} of {kind}, {self.num_classes} classes"
        return f"<ImageSet {self.spec} {self.split}: {what}>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape `(c, h, w)` of an image."""
        c, h, w = self.images.shape[1:]
        return int(c), int(h), int(w)

    @property
    def num_classes(self) -> int:
        """Number of classes, those without an example included."""
        return len(self.class_names)

    def gather(self, indices: Indices | None = None) -> Tensor:
        """Return copies of the images at some positions, `(m, c, h, w)` uint8, on the CPU."""
        rows = self._rows(indices)
        out = torch.empty((len(rows), *self.shape), dtype=torch.uint8)
        # mode="clip" writes straight into `out`; the rows are known to be in range.
        np.take(self.images, rows, axis=0, out=out.numpy(), mode="clip")
        return out

    def tensors(
        self,
        indices: Indices | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Return images `(m, c, h, w)` in [0, 1] and labels `(m,)` at some positions, or all."""
        rows = self._rows(indices)
        images = self.gather(rows).to(device).to(dtype).div_(255)
        return images, torch.from_numpy(self.labels[rows]).to(device)

    def batches(
        self,
        batch_size: int,
        indices: Indices | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and labels, as `tensors` does, in batches; the last may be smaller.

        Raises:
            InputError: if the batch size is not positive.
        """
        if batch_size < 1:
            raise InputError(f"--batch_size: expected at least 1, found {batch_size}.")
        rows = self._rows(indices)
        return (
            self.tensors(rows[start : start + batch_size], device, dtype)
            for start in range(0, len(rows), batch_size)
        )

    def subset(self, n: int, seed: int = 0) -> ImageSet:
        """Return n examples, as many of each class as possible, in a fixed order.

        `subset(100)` is the first half of `subset(200)`. Which examples are chosen, and their
        order, depends on the seed, the ids and the labels alone (`core.data.subsets`).

        Raises:
            InputError: if n is not 1 to the number of examples.
        """
        if not 1 <= n <= len(self):
            raise InputError(
                f"--examples: expected 1 to {len(self)}, the number of images in split "
                f"{self.split!r} of {self.spec}, found {n}."
            )
        return self.take(balanced_order(self.labels, self.ids, seed)[:n])

    def select(self, ids: Sequence[str] | np.ndarray) -> ImageSet:
        """Return the examples with these ids, in this order.

        Raises:
            InputError: for an id that is not in the set, or that is given twice.
        """
        position = {name: row for row, name in enumerate(self.ids.tolist())}
        wanted = [str(name) for name in ids]
        for name in wanted:
            if name not in position:
                raise unknown_name("ids", name, position)
        return self.take(np.array([position[name] for name in wanted], np.int64))

    def take(self, indices: Indices) -> ImageSet:
        """Return the examples at some positions, in this order.

        Raises:
            InputError: for a position given twice: ids are unique in a set.
            IndexError: for a position outside the set.
        """
        rows = self._rows(indices)
        if len(np.unique(rows)) != len(rows):
            raise InputError("ids: an example can be in an image set only once.")
        origin = self.origin
        if origin is not None:
            origin = replace(origin, rows=rows if origin.rows is None else origin.rows[rows])
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            ids=self.ids[rows],
            fingerprint="",
            digests=None if self.digests is None else self.digests[rows],
            origin=origin,
        )

    def _rows(self, indices: Indices | None) -> np.ndarray:
        """Return positions as integers 0 to n - 1."""
        if indices is None or isinstance(indices, slice):
            return np.arange(len(self))[indices or slice(None)]
        rows = np.asarray(indices)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise IndexError(f"a mask of shape {rows.shape} for {len(self)} images")
            return np.flatnonzero(rows)
        rows = rows.astype(np.int64, casting="same_kind") if rows.size else np.empty(0, np.int64)
        if rows.size and not -len(self) <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"positions {rows.min()} to {rows.max()} of {len(self)} images")
        return np.where(rows < 0, rows + len(self), rows)

    def __reduce__(self) -> str | tuple[Any, ...]:
        if self.origin is None:
            return super().__reduce__()
        return reopen, (self.spec, self.split, self.origin, self.fingerprint)


def from_entry(spec: str, split: str, opened: entry.Entry) -> ImageSet:
    """Return the image set of an entry of the cache."""
    return ImageSet(
        spec,
        split,
        opened.images,
        opened.labels,
        opened.ids,
        opened.class_names,
        opened.fingerprint,
        tuple(name for name, _ in opened.skipped),
        opened.digests,
        Origin(opened.folder),
    )


def reopen(spec: str, split: str, origin: Origin, fingerprint: str) -> ImageSet:
    """Return the set that was pickled, from the cache.

    Raises:
        InputError: if it is no longer there, or holds something else.
    """
    try:
        whole = from_entry(spec, split, entry.read(origin.folder))
    except entry.DamagedEntryError as error:
        raise InputError(
            f"--data: the decoded images of {spec} are no longer at {origin.folder}; "
            "load them again."
        ) from error
    images = whole if origin.rows is None else whole.take(origin.rows)
    if images.fingerprint != fingerprint:
        raise InputError(f"--data: the decoded images of {spec} at {origin.folder} have changed.")
    return images
