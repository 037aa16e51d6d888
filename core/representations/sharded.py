"""Rows kept in several `.npy` files that are mapped into memory, read like one array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError

Indices = int | slice | np.ndarray | list[int]


@dataclass(frozen=True, eq=False)
class ShardedArray:
    """An array `(n, ...)` whose rows lie in files; nothing is read before it is asked for.

    Attributes:
        folder: of the files `000000.npy`, `000001.npy`, ...
        shape: of the whole.
        dtype: of its numbers.
        rows: in a file; the last one may have fewer.
    """

    folder: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    rows: int
    _maps: dict[int, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return ShardedArray, (self.folder, self.shape, self.dtype, self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __getitem__(self, indices: Indices) -> np.ndarray:
        """Return copies of rows: one row for a number, else `(m, ...)`.

        Raises:
            IndexError: a row that is not there.
        """
        if isinstance(indices, int | np.integer):
            return self[np.array([indices])][0]
        wanted = np.arange(len(self))[indices]
        if len(self) <= self.rows:
            return self.shard(0)[wanted] if len(self) else np.empty(self.shape, self.dtype)
        found = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        shards = wanted // self.rows
        # Files one after the other, their rows in rising order: what disks like.
        order = np.argsort(wanted, kind="stable")
        edges = np.flatnonzero(np.diff(shards[order])) + 1
        for part in np.split(order, edges) if len(order) else []:
            shard = int(shards[part[0]])
            found[part] = self.shard(shard)[wanted[part] - shard * self.rows]
        return found

    def shard(self, number: int) -> np.ndarray:
        """Return the rows of a file, mapped, read-only.

        Raises:
            InputError: the file is missing or damaged.
        """
        if number not in self._maps:
            path = shard_path(self.folder, number)
            expected = (min(self.rows, len(self) - number * self.rows), *self.shape[1:])
            self._maps[number] = read_shard(path, expected, self.dtype)
        return self._maps[number]

    def batches(self, batch_size: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows in order, at most `batch_size` at once: places, rows."""
        for start in range(0, len(self), batch_size):
            places = slice(start, min(start + batch_size, len(self)))
            yield places, self[places]

    def tensors(
        self, indices: Indices, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
    ) -> Tensor:
        """Return rows as a tensor, in float32 unless another type is named."""
        return torch.from_numpy(self[indices]).to(device, dtype or torch.float32)


def shard_path(folder: Path, number: int) -> Path:
    """Return where a file of rows lies."""
    return folder / f"{number:06d}.npy"


def rows_of_shard(row_bytes: int) -> int:
    """Return how many rows a file has: a power of two, at most 64 MiB of them, at least 32.

    >>> rows_of_shard(64 * 16 * 16 * 2), rows_of_shard(2**22)
    (2048, 32)
    """
    fitting = max(1, 2**26 // max(row_bytes, 1))
    return int(min(8192, max(32, 2 ** (fitting.bit_length() - 1))))


def read_shard(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Map a file of rows.

    Raises:
        InputError: it is missing, damaged, or holds something else.
    """
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: not a whole file of representations ({error}).") from error
    if mapped.shape != shape or mapped.dtype != dtype:
        raise InputError(
            f"{path}: expected {dtype} of shape {shape}, found {mapped.dtype} of {mapped.shape}."
        )
    return np.asarray(mapped)
