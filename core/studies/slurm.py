"""The launcher `slurm`: units split over the tasks of one job array, through submitit."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import InputError, unknown_name
from core.files import full_disk_is_input_error, write_json
from core.studies.launchers import Compute, Job
from core.studies.logs import LOGGER, log_file
from core.studies.study import Unit, UnitError
from core.studies.threads import start_with_threads

_TIMEOUT_MIN = 240
_REQUEUES = 100
_PATIENCE = 60.0
_SECONDS_BETWEEN_LOOKS = 0.5
_AT_WORK = {"PENDING", "RUNNING", "REQUEUED", "COMPLETING", "CONFIGURING", "SUSPENDED"}


@dataclass(frozen=True)
class ArrayTask:
    """What one task of the job array does: its units, one after the other.

    A task that Slurm stops for its time limit or for a more urgent job is queued again by submitit
    and goes on: its checkpoint is the shards that it has finished.

    Attributes:
        pickled: the `Job`; as bytes, to be unpickled when its modules can be found.
        threads: threads of torch and BLAS.
        units: the units.
        folders: where the submitting process looks for modules, a user's own models among them.
    """

    pickled: bytes
    threads: int
    units: tuple[Unit, ...]
    folders: tuple[str, ...]

    def __call__(self) -> tuple[str, str] | None:
        """Compute the units; return None, or the kind and the message of the first error."""
        start_with_threads(self.threads)
        sys.path.extend(folder for folder in self.folders if folder not in sys.path)
        job: Job = pickle.loads(self.pickled)
        with log_file(job.run.path / "log.txt"):
            for unit in self.units:
                try:
                    job.compute(unit)
                except InputError as error:
                    return "input", str(error)
                except UnitError as error:
                    return "unit", str(error)
        return None

    def checkpoint(self) -> Any:
        """Return what submitit puts into the queue again: the same task."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@contextmanager
def slurm_jobs(
    job: Job, workers: int, options: Mapping[str, Any], *, cluster: str = "slurm"
) -> Iterator[Compute]:
    """Compute the units in a job array of `workers` tasks, and wait for it.

    Jobs of an earlier launch that are still at work, because only the waiting command was killed,
    are waited for first. After an error the other tasks finish theirs; Ctrl-C cancels all jobs.

    Args:
        job: what is computed.
        workers: number of array tasks; the units are dealt to them in turn.
        options: of submitit and of sbatch: `partition`, `timeout_min` (default 240), `mem_gb`,
            `cpus_per_task` (default: the number of threads), `gpus_per_node`, `array_parallelism`.
        cluster: `slurm`, or `local` or `debug`, submitit's stand-ins, to try it out.

    Raises:
        InputError: there is no Slurm here, or it refuses an option.
    """
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise InputError(
            "--launch slurm: found no sbatch and srun on the PATH; start the command on a machine"
            " of the cluster, or use --launch processes."
        )
    # Jobs may start in another folder.
    run = replace(job.run, path=job.run.path.resolve())
    array = _Array(replace(job, run=run), workers, _executor(job, run.path, options, cluster))
    try:
        yield array.compute
    except BaseException:
        array.cancel()
        raise


class _Array:
    """The jobs of one command."""

    def __init__(self, job: Job, workers: int, executor: Any) -> None:
        self.job = job
        self.workers = workers
        self.executor = executor
        self.folder = job.run.path / "slurm"
        self.jobs: list[Any] = []

    def compute(self, units: Sequence[Unit]) -> Iterator[Unit]:
        missing = {unit.key: unit for unit in units}
        self.jobs = self._earlier()
        if self.jobs:
            LOGGER.info("%d jobs of an earlier launch are at work, waited for", len(self.jobs))
            while any(earlier.state in _AT_WORK for earlier in self.jobs):
                yield from self._appeared(missing)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            yield from self._appeared(missing)
        if not missing:
            return
        self._submit(list(missing.values()))
        waiting = list(self.jobs)
        errors: list[Exception] = []
        while waiting:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            ended = [job for job in waiting if job.done()]
            waiting = [job for job in waiting if job not in ended]
            yield from self._appeared(missing)
            for error in filter(None, map(_error_of, ended)):
                errors.append(error)
                if waiting:
                    LOGGER.warning("%s (%d other tasks go on)", error, len(waiting))
        if errors:
            raise errors[0]
        patience = time.monotonic() + _PATIENCE
        while missing and time.monotonic() < patience:  # a network file system may be late
            yield from self._appeared(missing)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        if missing:
            raise UnitError(f"the Slurm jobs ended without the units {', '.join(missing)}")

    def cancel(self) -> None:
        for job in self.jobs:
            with contextlib.suppress(Exception):  # cancelled as far as possible, then the error
                if not job.paths.result_pickle.exists():
                    job.cancel(check=False)

    def _submit(self, units: Sequence[Unit]) -> None:
        import cloudpickle  # type: ignore[import-untyped, unused-ignore]
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        tasks = min(self.workers, len(units))
        pickled = cloudpickle.dumps(self.job)  # takes classes of a script or notebook along
        folders = tuple(os.path.abspath(folder) for folder in sys.path)
        try:
            with full_disk_is_input_error(), self.executor.batch():
                self.jobs = [
                    self.executor.submit(
                        ArrayTask(pickled, self.job.threads, tuple(units[i::tasks]), folders)
                    )
                    for i in range(tasks)
                ]
        except (FailedJobError, FailedSubmissionError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"--launch slurm: sbatch refused the jobs: {reason}") from error
        write_json(self.folder / "jobs.json", {"jobs": [job.job_id for job in self.jobs]})

    def _earlier(self) -> list[Any]:
        """Return the jobs of the last launch that Slurm still knows to be at work."""
        known = self.folder / "jobs.json"
        if self.executor.cluster != "slurm" or not known.exists():
            return []
        from submitit.slurm.slurm import SlurmJob

        ids = json.loads(known.read_text("utf-8"))["jobs"]
        jobs: list[Any] = [SlurmJob(folder=self.folder, job_id=job_id) for job_id in ids]
        return [job for job in jobs if job.state in _AT_WORK]

    def _appeared(self, missing: dict[str, Unit]) -> Iterator[Unit]:
        """Take the units whose shard is there out of the missing ones."""
        for key in [key for key in missing if self.job.run.shard_path(key).exists()]:
            yield missing.pop(key)


def _error_of(job: Any) -> Exception | None:
    from submitit.core.utils import UncompletedJobError

    try:
        outcome = job.result()
    except UncompletedJobError as error:
        LOGGER.debug("Slurm job %s: %s", job.job_id, error)
        return UnitError(
            f"Slurm job {job.job_id} ended without a result (state {job.state}), see"
            f" {job.paths.stderr}; what is finished is kept: run the same command again"
        )
    if outcome is None:
        return None
    kind, message = outcome
    return InputError(message) if kind == "input" else UnitError(message)


def _executor(job: Job, path: Path, options: Mapping[str, Any], cluster: str) -> Any:
    import submitit
    import yaml
    from submitit.slurm.slurm import SlurmExecutor

    general = {"timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "stderr_to_stdout"}
    special = set(SlurmExecutor._valid_parameters()) - {"map_count", "job_name", "nodes"}
    for name in options:
        if name not in general | special:
            raise unknown_name("--slurm", name, sorted(general | special))
    # `--slurm.mem_gb=4` arrives as a text.
    values = {k: yaml.safe_load(v) if isinstance(v, str) else v for k, v in options.items()}
    chosen = {name if name in general else f"slurm_{name}": values[name] for name in values}
    executor = submitit.AutoExecutor(
        folder=str(path / "slurm"), cluster=cluster, slurm_max_num_timeout=_REQUEUES
    )
    standard = {
        "name": job.study.command,
        "timeout_min": _TIMEOUT_MIN,
        "cpus_per_task": job.threads,
    }
    try:
        executor.update_parameters(**standard | chosen)
    except (AssertionError, ValueError, TypeError, NameError) as error:
        raise InputError(f"--slurm: {' '.join(str(error).split())}") from error
    return executor
