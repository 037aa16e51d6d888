"""Many image files become rows of one `.npy` file, decoded by several processes at once.

Processes and not threads: for small images most of the time goes into Python code that holds the
interpreter's lock (4,000 JPEGs of 64 x 64: two threads take as long as one). The processes
are plain child programs, `python -m core.data.decoding`, which get their job as JSON on stdin and
answer with one JSON line per chunk. So nothing is forked under a running torch, the user's script
needs no `if __name__ == "__main__"`, and the children of a killed parent end at their next answer.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.data.content import DIGEST_BYTES, digest
from core.data.pixels import decode
from core.errors import InputError

CHUNK = 64
SECONDS_PER_IMAGE = 80e-6
SECONDS_PER_BYTE = 40e-9
SECONDS_WORTH_A_PROCESS = 0.4


@dataclass(frozen=True)
class Job:
    """What each decoding process needs to know: where the rows go and how large they are."""

    target: str
    offset: int
    shape: tuple[int, ...]
    size: int | None


@dataclass(frozen=True)
class Chunk:
    """What became of consecutive rows: their digests, and the rows that could not be written."""

    start: int
    digests: bytes
    unreadable: tuple[tuple[int, str], ...] = ()
    misfit: tuple[int, tuple[int, ...]] | None = None


@dataclass(frozen=True)
class Decoded:
    """The outcome: shape `(c, h, w)`, digests `(n, 16)`, and for each unreadable row the reason."""

    shape: tuple[int, ...]
    digests: np.ndarray
    unreadable: dict[int, str]


def reason(error: Exception) -> str:
    """Return in a few words why a file could not be read."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image that Pillow can identify"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def some(names: Sequence[str], limit: int = 5) -> str:
    """Return the names as a list in words, at most `limit` of them.

    >>> some(list("abcd"), limit=2)
    'a, b and 2 more'
    """
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def complaint(unreadable: Sequence[tuple[str, str]], of: int) -> str:
    """Return the sentence about images that cannot be read, from their names and reasons."""
    listed = some([f"{name} ({why})" for name, why in unreadable])
    return f"{len(unreadable)} of {of} images cannot be read: {listed}"


def unreadable_error(unreadable: Sequence[tuple[str, str]], of: int) -> InputError:
    """Return the error for images that cannot be read and may not be skipped."""
    return InputError(
        f"--data: {complaint(unreadable, of)}; repair or remove them, or leave them out with "
        "--skip_unreadable true."
    )


def worth(paths: Sequence[str]) -> int:
    """Return how many processes the decoding of these files is worth, at most one per core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    total = sum(os.path.getsize(path) for path in paths if os.path.exists(path))
    seconds = len(paths) * SECONDS_PER_IMAGE + total * SECONDS_PER_BYTE
    return max(1, min(cores or 1, int(seconds / SECONDS_WORTH_A_PROCESS)))


def decode_files(
    paths: Sequence[str],
    names: Sequence[str],
    target: Path,
    *,
    size: int | None,
    skip_unreadable: bool,
    workers: int,
    advance: Callable[[int], None],
) -> Decoded:
    """Decode image files into the rows of the `.npy` file `target`, `(n, 3, h, w)` uint8.

    Rows of unreadable files hold zeros.

    Args:
        paths: the files.
        names: what messages call them.
        target: the file to write.
        size: side of the squares to resize to, or None: as they are.
        skip_unreadable: go on if some files cannot be read.
        workers: number of processes; 1 decodes in this one.
        advance: called with the number of images done since the last call.

    Raises:
        InputError: if files cannot be read (all of them, or not `skip_unreadable`), or if the
            images differ in size and no `size` is given.
        OSError: if the rows cannot be written.
    """
    first, shape = _first_shape(paths, names, size)
    with open(target, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        offset = file.tell()
        file.truncate(offset + len(paths) * int(np.prod(shape)))
    job = Job(str(target), offset, shape, size)
    starts = range(0, len(paths), CHUNK)
    workers = min(workers, len(starts)) if sys.executable else 1
    run = _decode_here if workers == 1 else _decode_in_processes
    rows = np.zeros((len(paths), DIGEST_BYTES), np.uint8)
    unreadable: dict[int, str] = {}
    with closing(run(job, paths, starts, workers)) as chunks:
        for chunk in chunks:
            if chunk.misfit is not None:
                row, other = chunk.misfit
                raise _differ(names[first], shape, names[row], other)
            done = np.frombuffer(chunk.digests, np.uint8).reshape(-1, DIGEST_BYTES)
            rows[chunk.start : chunk.start + len(done)] = done
            unreadable.update(chunk.unreadable)
            advance(len(done))
    if unreadable and not skip_unreadable:
        bad = [(names[row], why) for row, why in sorted(unreadable.items())]
        raise unreadable_error(bad, len(paths))
    return Decoded(shape, rows, unreadable)


def _first_shape(
    paths: Sequence[str], names: Sequence[str], size: int | None
) -> tuple[int, tuple[int, ...]]:
    """Return row and shape of the first readable image: the shape that all others must have."""
    bad: list[tuple[str, str]] = []
    for row, path in enumerate(paths):
        try:
            return row, decode(path, size).shape
        except Exception as error:  # Pillow's plugins raise anything for a broken file
            bad.append((names[row], reason(error)))
    raise InputError(f"--data: {complaint(bad, len(paths))}.")


def _differ(one: str, shape: Sequence[int], two: str, other: Sequence[int]) -> InputError:
    side = min(*shape[1:], *other[1:])
    return InputError(
        f"--data: the images differ in size: {one} is {shape[2]} x {shape[1]} and {two} is "
        f"{other[2]} x {other[1]} (width x height); to bring all to one size, give for example "
        f"--size {side}."
    )


def _decode_chunk(job: Job, file: BinaryIO, start: int, paths: Sequence[str]) -> Chunk:
    """Decode some files and write them to their rows; stop at the first of another size."""
    hashes: list[bytes] = []
    unreadable: list[tuple[int, str]] = []
    nothing = np.zeros(job.shape, np.uint8)
    file.seek(job.offset + start * nothing.size)
    for row, path in enumerate(paths, start):
        try:
            pixels = decode(path, job.size)
        except Exception as error:  # Pillow's plugins raise anything for a broken file
            unreadable.append((row, reason(error)))
            pixels = nothing
        if pixels.shape != job.shape:
            return Chunk(start, b"", misfit=(row, pixels.shape))
        file.write(pixels.data)
        hashes.append(digest(pixels))
    file.flush()
    return Chunk(start, b"".join(hashes), tuple(unreadable))


def _decode_here(
    job: Job, paths: Sequence[str], starts: Sequence[int], workers: int
) -> Generator[Chunk]:
    with open(job.target, "r+b") as file:
        for start in starts:
            yield _decode_chunk(job, file, start, paths[start : start + CHUNK])


def _decode_in_processes(
    job: Job, paths: Sequence[str], starts: Sequence[int], workers: int
) -> Generator[Chunk]:
    answers: queue.SimpleQueue[dict[str, Any] | int] = queue.SimpleQueue()
    with ExitStack() as processes:
        for worker in range(workers):
            mine = [(start, paths[start : start + CHUNK]) for start in starts[worker::workers]]
            process = _start_process()
            processes.enter_context(process)
            processes.callback(process.kill)
            thread = threading.Thread(
                target=_converse,
                args=(process, json.dumps({"job": asdict(job), "chunks": mine}), answers),
                daemon=True,
            )
            thread.start()
            processes.callback(thread.join)
            processes.callback(process.kill)
        running = workers
        while running:
            answer = answers.get()
            if isinstance(answer, int):
                if answer != 0:
                    raise RuntimeError(f"a decoding process ended unexpectedly, with code {answer}")
                running -= 1
            elif "errno" in answer:
                raise OSError(answer["errno"], answer["strerror"], job.target)
            else:
                yield _from_json(answer)


def _start_process() -> subprocess.Popen[str]:
    seen = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "core.data.decoding"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="ascii",
        env={**os.environ, "PYTHONPATH": seen},
        process_group=0,  # Ctrl-C goes to the parent alone, which ends its children
    )


def _converse(
    process: subprocess.Popen[str],
    question: str,
    answers: queue.SimpleQueue[dict[str, Any] | int],
) -> None:
    """Hand a process its job, pass its answers on, and at last its exit code."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(question)
        process.stdin.close()
        for line in process.stdout:
            answers.put(json.loads(line))
    except (OSError, ValueError):
        process.kill()  # it ended, or was ended, in the middle of a line: its exit code tells
        with suppress(OSError):
            process.stdin.close()
    answers.put(process.wait())


def _to_json(chunk: Chunk) -> dict[str, Any]:
    return {**asdict(chunk), "digests": chunk.digests.hex()}


def _from_json(answer: dict[str, Any]) -> Chunk:
    row_and_shape = answer["misfit"]
    return Chunk(
        answer["start"],
        bytes.fromhex(answer["digests"]),
        tuple((row, why) for row, why in answer["unreadable"]),
        None if row_and_shape is None else (row_and_shape[0], tuple(row_and_shape[1])),
    )


def main() -> None:
    """Decode the chunks described on stdin, one line of answer each: the child program."""
    question = json.load(sys.stdin)
    job = Job(**{**question["job"], "shape": tuple(question["job"]["shape"])})
    try:
        with open(job.target, "r+b") as file:
            for start, paths in question["chunks"]:
                print(json.dumps(_to_json(_decode_chunk(job, file, start, paths))), flush=True)  # noqa: T201
    except BrokenPipeError:
        os._exit(0)  # the parent is gone: nobody waits for the rest
    except OSError as error:
        print(json.dumps({"errno": error.errno, "strerror": error.strerror}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
