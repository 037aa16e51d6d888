"""Launchers: where the units of a phase are computed. All compute them in the same way.

A launcher is a context that yields a function from units to an iterator over the finished ones, in
the order in which they finish. When the context is left by an error, nothing is left at work.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from core.errors import InputError, unknown_name
from core.files import full_disk_is_input_error
from core.studies import shards
from core.studies.logs import LOGGER
from core.studies.run_directory import RunDirectory
from core.studies.study import Study, Unit, UnitError
from core.studies.threads import limited_threads

Compute = Callable[[Sequence[Unit]], Iterator[Unit]]
LAUNCHERS = ("inline", "processes", "slurm")


@dataclass(frozen=True)
class Job:
    """What is needed to compute a unit, in whatever process."""

    study: Study
    run: RunDirectory
    threads: int

    def compute(self, unit: Unit) -> None:
        """Compute a unit and write its shard, unless it is finished already.

        Raises:
            InputError: as the study raised it, or because the disk is full.
            UnitError: anything else went wrong; the traceback is in log.txt.
        """
        if self.run.is_finished(unit.key):
            return
        try:
            with limited_threads(self.threads), full_disk_is_input_error():
                frame = self.study.compute(unit, self.run)
            shards.write_frame(self.run.shard_path(unit.key), frame, unit.key)
        except InputError as error:
            LOGGER.debug("unit %s:\n%s", unit.key, traceback.format_exc())
            # Not a subclass with a constructor of its own: the error may travel between processes.
            raise InputError(str(error)) from error
        except Exception as error:
            LOGGER.debug("unit %s:\n%s", unit.key, traceback.format_exc())
            raise UnitError(f"unit {unit.key}: {type(error).__name__}: {error}") from error


@contextmanager
def inline(job: Job) -> Iterator[Compute]:
    """Compute the units here, one after the other."""

    def compute(units: Sequence[Unit]) -> Iterator[Unit]:
        for unit in units:
            job.compute(unit)
            yield unit

    yield compute


def launcher(
    name: str, job: Job, *, workers: int, slurm: dict[str, Any] | None, cluster: str
) -> AbstractContextManager[Compute]:
    """Return the launcher of that name."""
    if name == "inline":
        return inline(job)
    if name == "processes":
        from core.studies.processes import processes

        return processes(job, workers)
    if name == "slurm":
        from core.studies.slurm import slurm_jobs

        return slurm_jobs(job, workers, slurm or {}, cluster=cluster)
    raise unknown_name("--launch", name, LAUNCHERS)
