"""Running a study: begin or continue its directory, compute what is missing, summarise."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from core.errors import InputError, unknown_name
from core.files import full_disk_is_input_error, remove_stale, write_json
from core.options import positive
from core.studies import shards
from core.studies.launchers import LAUNCHERS, Compute, Job, launcher
from core.studies.logs import LOGGER, log_file
from core.studies.progress import progress
from core.studies.run_directory import (
    RunDirectory,
    default_path,
    joined,
    locked,
    mark_finished,
    open_run,
)
from core.studies.settings import finite, plain
from core.studies.study import Study, Unit, checked_units
from core.studies.threads import limited_threads


class StudyInterrupted(KeyboardInterrupt):
    """A study was stopped by Ctrl-C or SIGTERM; the message says how to continue."""


def run_study(
    study: Study,
    *,
    out: str | Path | None = None,
    launch: str = "inline",
    workers: int = 2,
    threads: int = 1,
    slurm: dict[str, Any] | None = None,
    cluster: str = "slurm",
) -> RunDirectory:
    """Run a study, or continue it where it was stopped, and return its run directory.

    Finished shards are never computed again. The results are the same to the last bit whatever the
    launcher, the number of workers, and how often the run was killed and continued.

    Args:
        study: the study.
        out: the run directory; default `runs/<command>/<model>-<data>-<hash of the settings>`.
        launch: `inline`, `processes` or `slurm`.
        workers: number of processes, or of tasks of the Slurm job array.
        threads: threads of torch and BLAS for each unit. It may change the last bit of results, so
            it belongs to the run's settings (under that name, so the command needs such an option);
            all launchers use the same number.
        slurm: options of the Slurm jobs, such as `partition`, `timeout_min`, `mem_gb`,
            `cpus_per_task`, `gpus_per_node`, `array_parallelism`.
        cluster: `slurm`, or submitit's stand-ins `local` and `debug` to try out the launcher.

    Raises:
        InputError: an option or the directory cannot be used, or the disk is full.
        UnitError: a unit failed or its process died; what is finished is kept.
        StudyInterrupted: Ctrl-C or SIGTERM; what is finished is kept.
    """
    positive(workers, "--workers")
    positive(threads, "--threads")
    if launch not in LAUNCHERS:
        raise unknown_name("--launch", launch, LAUNCHERS)
    if slurm and launch != "slurm":
        raise InputError(f"--slurm: is only used with --launch slurm, found --launch {launch}.")
    with _sigterm_is_interrupt():
        settings, identity = plain(study.settings()), plain(study.identity())
        if settings.setdefault("threads", threads) != threads:
            raise ValueError("the study's settings name another number of threads than run_study's")
        units = checked_units(study)
        path = Path(out) if out else default_path(study.command, settings, identity)
        run = open_run(path, study.command, settings, identity, [unit.key for unit in units])
        job = Job(study, run, threads)
        with locked(run), log_file(run.path / "log.txt"):
            try:
                with launcher(
                    launch, job, workers=min(workers, len(units)), slurm=slurm, cluster=cluster
                ) as compute:
                    _compute_missing(job, units, compute, launch)
                _summarise(job, units)
            except KeyboardInterrupt:
                done = sum(run.shard_path(unit.key).exists() for unit in units)
                message = (
                    f"stopped: {done} of {len(units)} units are done and kept in {run.path};"
                    " run the same command again to continue"
                )
                LOGGER.debug(message)
                raise StudyInterrupted(message) from None
            except Exception:
                LOGGER.debug("the study failed:\n%s", traceback.format_exc())
                raise
    return run


def run_planned(plan: Callable[..., Study], options: Mapping[str, Any]) -> RunDirectory:
    """Run the study that a command's options plan, see `run_study`.

    Args:
        plan: from the options that say what is computed to the study.
        options: all of the command's; `out`, `launch`, `workers` and `slurm` only say where and how
            it runs, `threads` both.
    """
    execution = {name: options[name] for name in ("out", "launch", "workers", "slurm")}
    study = plan(**{name: value for name, value in options.items() if name not in execution})
    return run_study(study, threads=options["threads"], **execution)


def _compute_missing(job: Job, units: list[Unit], compute: Compute, launch: str) -> None:
    run = job.run
    remove_stale(run.path)
    missing = [unit for unit in units if not _is_kept(run, unit)]
    done = len(units) - len(missing)
    if done:
        LOGGER.info("%d of %d units were already done in %s", done, len(units), run.path)
    if not missing:
        return
    LOGGER.debug("%d units to compute, launcher %s", len(missing), launch)
    with progress(job.study.command, len(units), done) as advance:
        for phase in sorted({unit.phase for unit in missing}):
            for _ in compute([unit for unit in missing if unit.phase == phase]):
                advance()


def _is_kept(run: RunDirectory, unit: Unit) -> bool:
    path = run.shard_path(unit.key)
    if not path.exists():
        return False
    if run.is_finished(unit.key):
        return True
    LOGGER.warning("%s is not the whole shard of its unit: computed again", path)
    path.unlink()
    return False


def _summarise(job: Job, units: list[Unit]) -> None:
    run = job.run
    last = max(unit.phase for unit in units)
    results = joined([run.shard_path(unit.key) for unit in units if unit.phase == last])
    shards.write_frame(run.path / "results.parquet", results)
    with limited_threads(job.threads), full_disk_is_input_error():
        summary = job.study.summarise(run)
    write_json(run.path / "summary.json", finite(plain(summary)))
    mark_finished(run)


@contextmanager
def _sigterm_is_interrupt() -> Iterator[None]:
    """Treat SIGTERM and a lost terminal like Ctrl-C, where nobody has decided otherwise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signals = (signal.SIGTERM, signal.SIGHUP)
    changed = {s: signal.getsignal(s) for s in signals if signal.getsignal(s) == signal.SIG_DFL}
    for number in changed:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in changed.items():
            signal.signal(number, handler)
