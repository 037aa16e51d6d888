"""Files that are written whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def full_disk_is_input_error(path: Path | None = None) -> Iterator[None]:
    """Turn a full disk, quota or file size limit into an `InputError` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        name = path or error.filename or "a file"
        raise InputError(
            f"{name} cannot be written, the disk is full ({os.strerror(error.errno)}); what is"
            " finished is kept: free some space and run the same command again."
        ) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that becomes `path` when the block ends well.

    The content is on the disk before the name is, so that a reader, a kill or a power cut sees the
    old file, the new file or none, never a part of one. If the block fails, nothing is left.

    Raises:
        InputError: the disk is full (or a quota or file size limit is reached).
    """
    token = f"{_host()}.{os.getpid()}.{secrets.token_hex(4)}"
    temporary = path.with_name(f".{path.name}.{token}.tmp")
    with full_disk_is_input_error(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically, in the order of its keys."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def remove_stale(folder: Path) -> None:
    """Delete the temporary files that processes of this machine left when they were killed."""
    ours = re.compile(rf"\..+\.{re.escape(_host())}\.(\d+)\.[0-9a-f]{{8}}\.tmp")
    for path in folder.rglob(".*.tmp"):
        named = ours.fullmatch(path.name)
        if named and not _alive(int(named[1])):
            path.unlink(missing_ok=True)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and only waits to be noticed (where /proc says so)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return bool(state) and state[0] == "Z"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # not every file system can
            raise
    finally:
        os.close(handle)
