"""Collected representations as the rows of a matrix, read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.representations.sharded import ShardedArray, read_shard, shard_path

BLOCK_BYTES = 2**26
"""Most bytes of a block in float32."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """The rows of a matrix `(n, d)`, mapped from files or in memory.

    No file stays mapped after it was read, so that memory does not fill with pages of a large one.

    Attributes:
        rows: `(examples, ...)`.
        per_example: vectors of an example: the positions of a map, or 1.
    """

    rows: ShardedArray | np.ndarray
    per_example: int = 1

    def __post_init__(self) -> None:
        if not len(self.rows) or self.size < 1:
            raise InputError(f"representations: expected some, found shape {self.rows.shape}.")
        if self.size >= 2**22:
            raise InputError(
                f"representations: {self.size:,} numbers each, more than the bounds of the search "
                "hold for (4 million); pool them, or collect another layer."
            )

    def __len__(self) -> int:
        return len(self.rows) * self.per_example

    @property
    def size(self) -> int:
        """Numbers of a vector."""
        return int(np.prod(self.rows.shape[1:], dtype=np.int64)) // self.per_example

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers as they are kept."""
        return self.rows.dtype

    def examples(self, places: np.ndarray) -> np.ndarray:
        """Return the example that each vector belongs to."""
        return places // self.per_example

    def blocks(self, most_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the vectors in order: place of the first, `(m, d)` in their own type, read-only."""
        step = max(1, most_bytes // (4 * self.size * self.per_example))
        for first, part in self._files():
            for start in range(0, len(part), step):
                block = part[start : start + step].reshape(-1, self.size)
                yield (first + start) * self.per_example, block

    def take(self, places: np.ndarray) -> np.ndarray:
        """Return copies of vectors `(m, d)`, in their own type."""
        examples, position = np.divmod(np.asarray(places, np.int64), self.per_example)
        found = np.empty((len(examples), self.size), self.dtype)
        if not isinstance(self.rows, ShardedArray):
            parted = self.rows.reshape(len(self.rows), self.per_example, self.size)
            found[:] = parted[examples, position]
            return found
        files = examples // self.rows.rows
        for file in np.unique(files):
            own = np.flatnonzero(files == file)
            part = self._file(int(file)).reshape(-1, self.per_example, self.size)
            found[own] = part[examples[own] - file * self.rows.rows, position[own]]
        return found

    def _files(self) -> Iterator[tuple[int, np.ndarray]]:
        if not isinstance(self.rows, ShardedArray):
            yield 0, self.rows
            return
        for file in range(-(-len(self.rows) // self.rows.rows)):
            yield file * self.rows.rows, self._file(file)

    def _file(self, number: int) -> np.ndarray:
        assert isinstance(self.rows, ShardedArray)
        rows = min(self.rows.rows, len(self.rows) - number * self.rows.rows)
        path = shard_path(self.rows.folder, number)
        return read_shard(path, (rows, *self.rows.shape[1:]), self.rows.dtype)


def as_queries(rows: object, size: int, argument: str = "queries") -> np.ndarray:
    """Return representations, an array or a tensor, as `(m, d)` float32.

    Raises:
        InputError: another number of numbers, or one that is not finite.
    """
    detached = rows.detach().cpu().numpy() if hasattr(rows, "detach") else rows
    found = np.asarray(detached, dtype=np.float32)
    if found.ndim < 2 or found[0:1].size not in (0, size) or not len(found):
        raise InputError(
            f"{argument}: expected rows of {size} numbers, as the index has them, found shape "
            f"{found.shape}."
        )
    if not np.isfinite(found).all():
        raise InputError(f"{argument}: some numbers are not finite.")
    return np.ascontiguousarray(found.reshape(len(found), size))
