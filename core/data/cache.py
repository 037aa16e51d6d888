"""Decoded images are kept in folders named by content, built aside and put in place in one step.

    <root>/images/<content key>/          an entry, see `entry`; complete from the moment it exists
    <root>/images/.building-<random>/     an entry being built by a process that is alive
    <root>/keys/<state of the files>      the content key of source files with these names, sizes
                                          and times: unchanged files need not be read again

There is no lock to wait for. Processes that start at once may build the same entry; the first to
finish puts it in place and the others use that. A folder of a killed process is removed by the
next one that builds. Everything under the root may be deleted at any time.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.data.entry import DamagedEntryError, Entry, read, sync
from core.errors import InputError
from core.files import write_text

VERSION = 1
UNFINISHED = ".building-"
ALIVE = "alive"
GRACE_SECONDS = 60
SETTLED_NS = 2_000_000_000


def cache_root(cache: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder for what can be computed again: `$INPUTSCAPE_CACHE` or ~/.cache/inputscape.

    Args:
        cache: another folder, if given.
    """
    chosen = cache or os.environ.get("INPUTSCAPE_CACHE") or "~/.cache/inputscape"
    return Path(chosen).expanduser().absolute()


def open_or_build(
    root: Path,
    description: Mapping[str, Any],
    files: Sequence[str],
    build: Callable[[Path], None],
) -> Entry:
    """Return the cache entry for the content of some files, built now if it is not there.

    Args:
        root: the cache root.
        description: whatever else decides the entry, as plain values (ids, labels, size, ...).
        files: the source files, in an order fixed by the description.
        build: fills a given empty folder with a complete entry.

    Raises:
        InputError: if the cache cannot be written, or the disk is full; nothing is left behind.
    """
    key = _key(root, description, files)
    place = root / "images" / key
    with suppress(DamagedEntryError):
        return read(place)
    with _writing(root):
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(place.parent)
        with _own_folder(place.parent) as folder:
            build(folder)
            _put_in_place(folder, place)
    return read(place)


def _key(root: Path, description: Mapping[str, Any], files: Sequence[str]) -> str:
    """Return the content key, remembered for files whose names, sizes and times are the same."""
    about = json.dumps([VERSION, description]).encode()
    stamps = [_stamp(file) for file in files]
    state = hashlib.sha256(about + json.dumps([list(files), stamps]).encode()).hexdigest()[:32]
    memo = root / "keys" / state
    with suppress(OSError, UnicodeDecodeError):
        remembered = memo.read_text(encoding="ascii")
        if re.fullmatch("[0-9a-f]{32}", remembered):
            return remembered
    settled = time.time_ns() - max(max(times) for _, *times in stamps) > SETTLED_NS
    whole = hashlib.sha256(about)
    for file in files:
        whole.update(_file_hash(file))
    key = whole.hexdigest()[:32]
    if settled:
        # A file changed just now could change again within one tick of its clock: not remembered.
        # A memo that cannot be written only costs reading the files again next time.
        with suppress(OSError):
            memo.parent.mkdir(parents=True, exist_ok=True)
            write_text(memo, key)
    return key


def _stamp(path: str) -> tuple[int, int, int]:
    """Return length and times of a file; zeros where it is gone, which the build will say."""
    try:
        state = os.stat(path)
    except OSError:
        return 0, 0, 0
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _file_hash(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        # The build finds the same file unreadable and says so, with its name among the others.
        return b"unreadable"


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Turn the disk's refusals into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"INPUTSCAPE_CACHE: no space is left for the decoded images in {root}; free some, "
                "or set INPUTSCAPE_CACHE to a folder with room."
            ) from error
        raise InputError(
            f"INPUTSCAPE_CACHE: the cache {root} cannot be written ({error.strerror or error}); "
            "set INPUTSCAPE_CACHE to a folder that can."
        ) from error


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that is known to be in use while this process lives; remove it afterwards."""
    folder = parent / f"{UNFINISHED}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        with _held(folder / ALIVE):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold a file that the system lets go when the process ends, however it ends.

    Yields whether it could be had; nobody waits for it.
    """
    with open(path, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _remove_abandoned(parent: Path) -> None:
    """Remove what killed processes left: folders that nobody holds and that are not brand-new."""
    for folder in parent.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < GRACE_SECONDS:
                continue
            with _held(folder / ALIVE) as had:
                if had:
                    shutil.rmtree(folder)


def _put_in_place(folder: Path, place: Path) -> None:
    """Give a complete folder its final name; where a sound one has it already, that one stays."""
    while True:
        try:
            os.rename(folder, place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            (place / ALIVE).unlink(missing_ok=True)
            sync(place.parent)
            return
        with suppress(DamagedEntryError):
            read(place)
            return
        with _own_folder(place.parent) as aside, suppress(FileNotFoundError):
            os.rename(place, aside / "damaged")
