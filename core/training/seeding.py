"""Seeds for code that draws from torch's global generators, which are put back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from core.randomness import generator


@contextmanager
def seeded(seed: int, purpose: str, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's generators of the CPU and of `device` inside the block; restore them after it.

    >>> with seeded(0, "weights"):
    ...     a = torch.rand(1)
    >>> with seeded(0, "weights"):
    ...     b = torch.rand(1)
    >>> torch.equal(a, b)
    True
    """
    device = torch.device(device)
    number = int(generator(seed, "global", purpose).integers(2**63))
    accelerator = {"cuda": torch.cuda, "mps": torch.mps}.get(device.type)
    kept = None if accelerator is None else accelerator.get_rng_state(*_index(device))
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(number)
        try:
            if device.type == "cuda":
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(number)
            elif device.type == "mps":
                torch.mps.manual_seed(number)
            yield
        finally:
            if accelerator is not None and kept is not None:
                accelerator.set_rng_state(kept, *_index(device))


def _index(device: torch.device) -> tuple[torch.device, ...]:
    return (device,) if device.type == "cuda" else ()
