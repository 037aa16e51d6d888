"""Random numbers that belong to an example, not to the batch, process or device that asks for them.

Every stream is named by (seed, example id, purpose) and drawn from numpy's counter-based Philox
generator, so that the batch size, the number of processes, a resume and the device change no bit,
and the global state of numpy and torch is neither read nor written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def generator(seed: int, example_id: str, purpose: str) -> np.random.Generator:
    """Return the generator of one example for one purpose.

    >>> a, b = (generator(0, "train/7", "noise").integers(2**32) for _ in range(2))
    >>> bool(a == b), bool(a == generator(0, "train/7", "start").integers(2**32))
    (True, False)
    """
    name = f"{int(seed)}\x00{example_id}\x00{purpose}".encode()
    key = np.frombuffer(hashlib.blake2b(name, digest_size=16).digest(), dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key))


def generators(seed: int, ids: Sequence[str], purpose: str) -> list[np.random.Generator]:
    """Return one generator per example, for draws that go on over several calls."""
    return [generator(seed, str(i), purpose) for i in ids]


def normal(streams: Sequence[np.random.Generator], shape: Sequence[int], like: Tensor) -> Tensor:
    """Draw standard normal numbers, `shape` for each stream, stacked to `(n, *shape)`.

    They are drawn in float32 on the CPU, whatever the precision and device of `like`, so that a
    float64 run and a run on another device see the same numbers.
    """
    drawn = np.stack([g.standard_normal(tuple(shape), dtype=np.float32) for g in streams])
    return torch.from_numpy(drawn).to(like)


def uniform(streams: Sequence[np.random.Generator], shape: Sequence[int], like: Tensor) -> Tensor:
    """Draw numbers uniform in [0, 1), `shape` for each stream, stacked to `(n, *shape)`."""
    drawn = np.stack([g.random(tuple(shape), dtype=np.float32) for g in streams])
    return torch.from_numpy(drawn).to(like)


def signs(streams: Sequence[np.random.Generator], shape: Sequence[int], like: Tensor) -> Tensor:
    """Draw fair signs (-1 or 1), `shape` for each stream, stacked to `(n, *shape)`."""
    drawn = np.stack([g.integers(0, 2, tuple(shape), dtype=np.int8) for g in streams])
    return torch.from_numpy(drawn * 2 - 1).to(like)
