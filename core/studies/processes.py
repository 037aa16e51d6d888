"""The launcher `processes`: a queue of units over N processes of this machine.

`concurrent.futures` and not submitit's local executor, which starts every job at once, whatever
their number, and whose jobs outlive a killed parent.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from core.files import remove_stale
from core.studies.launchers import Compute, Job
from core.studies.logs import log_file
from core.studies.study import Unit, UnitError
from core.studies.threads import start_with_threads


@contextmanager
def processes(job: Job, workers: int) -> Iterator[Compute]:
    """Compute the units in `workers` processes, never more than that many at once.

    The processes are spawned, not forked (a forked torch hangs); each holds one copy of the study
    and ends when this process ends, even by `kill -9`. After an error no further unit is begun,
    those at work are finished, and the error is raised.
    """
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(pickle.dumps(job), job.threads, job.run.path),
    )
    try:
        yield lambda units: _queue(executor, units, workers)
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
            process.join()
        executor.shutdown(cancel_futures=True)
        remove_stale(job.run.path)
        raise
    executor.shutdown()


def _queue(executor: ProcessPoolExecutor, units: Sequence[Unit], workers: int) -> Iterator[Unit]:
    waiting = iter(units)
    at_work: dict[Future[None], Unit] = {}
    failure: Exception | None = None
    while True:
        # Not all at once: a unit that the pool has fetched ahead cannot be called back.
        while failure is None and len(at_work) < workers:
            unit = next(waiting, None)
            if unit is None:
                break
            with _interrupts_held_back():
                at_work[executor.submit(_compute, unit)] = unit
        if not at_work:
            break
        for future in wait(at_work, return_when=FIRST_COMPLETED).done:
            unit = at_work.pop(future)
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                keys = ", ".join(sorted([unit.key, *(other.key for other in at_work.values())]))
                raise UnitError(
                    f"a process died (killed, or out of memory?) while these units were at work:"
                    f" {keys}; what is finished is kept: run the same command again, with fewer"
                    " --workers if memory is short"
                ) from error
            if error is None:
                yield unit
            elif failure is None and isinstance(error, Exception):
                failure = error
    if failure is not None:
        raise failure


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Block Ctrl-C: processes started inside never see it; this one sees it after the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """The one copy of the job that a worker process holds."""

    pickled = b""
    job: Job | None = None


def _begin(pickled: bytes, threads: int, run: Path) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start_with_threads(threads)
    log_file(run / "log.txt").__enter__()
    _Worker.pickled = pickled


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _compute(unit: Unit) -> None:
    if _Worker.job is None:
        _Worker.job = pickle.loads(_Worker.pickled)
    _Worker.job.compute(unit)
