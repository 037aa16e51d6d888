"""Devices by name."""

from __future__ import annotations

import torch

from core.errors import InputError


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device of a name: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.

    `auto` is CUDA where there is some, else the CPU: `mps` knows no float64 and is taken only by
    name.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        found = None
    if found is None or found.type not in ("cpu", "cuda", "mps"):
        raise InputError(
            f"--device: unknown device {str(device)!r}; expected auto, cpu, cuda, cuda:N or mps."
        )
    if found.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise InputError(f"--device: {device} asked for, but torch finds no CUDA device here.")
        if found.index is not None and found.index >= count:
            raise InputError(
                f"--device: {device} asked for, but there are only {count} CUDA devices "
                f"(cuda:0 to cuda:{count - 1})."
            )
    if found.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"--device: {device} asked for, but torch finds no MPS device here.")
    return found
