"""How many threads the numerical libraries use while a unit is computed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def start_with_threads(threads: int) -> None:
    """Make numerical libraries that this process loads from now on start with `threads` threads."""
    os.environ.update(dict.fromkeys(_VARIABLES, str(threads)))


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Give torch and the BLAS libraries `threads` threads inside the block, and restore after it.

    The number of threads can change the last bit of a sum, so every launcher computes every unit in
    such a block. A torch that is first loaded inside starts with `threads` and keeps them.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    torch = sys.modules.get("torch")
    torch_before = torch.get_num_threads() if torch else None
    before = {name: os.environ.get(name) for name in _VARIABLES}
    start_with_threads(threads)
    try:
        with threadpool_limits(threads, user_api="blas"):
            if torch:
                torch.set_num_threads(threads)
            yield
    finally:
        if torch:
            torch.set_num_threads(torch_before)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
