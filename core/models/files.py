"""Files that the user names."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import InputError

_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".pt2")


def readable_file(argument: str, path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that exists and is not empty.

    Raises:
        InputError: naming the argument, for a missing file, a folder or an empty file.
    """
    found = Path(path).expanduser()
    if found.is_dir():
        inside = [entry.name for entry in sorted(found.iterdir()) if entry.suffix in _WEIGHTS]
        hint = f", such as {found / inside[0]}" if inside else ""
        raise InputError(f"{argument}: {path} is a folder; expected a file{hint}.")
    if not found.exists():
        raise InputError(f"{argument}: there is no file {path}.")
    if not os.access(found, os.R_OK):
        raise InputError(f"{argument}: the file {path} may not be read by this user.")
    if found.stat().st_size == 0:
        raise InputError(f"{argument}: the file {path} is empty.")
    return found
