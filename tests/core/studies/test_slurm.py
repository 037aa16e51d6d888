"""The Slurm launcher, on submitit's stand-ins and on a Slurm made of plain processes."""

from __future__ import annotations

import ast
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import InputError
from core.studies import Unit, UnitError
from core.studies.launchers import Job
from core.studies.run_directory import RunDirectory
from core.studies.slurm import ArrayTask

FAST = {"units": 4, "milliseconds": 0}


@pytest.fixture
def toy():
    import toy_study

    return toy_study


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if not Path("/proc/self").exists():
        pytest.skip("the Slurm of plain processes needs /proc")
    programs, state = tmp_path / "bin", tmp_path / "state"
    programs.mkdir()
    state.mkdir()
    source = Path(__file__).with_name("fake_slurm.py").read_text()
    (programs / "python").mkdir()
    for name in ("sbatch", "srun", "sacct", "scancel"):
        program, script = programs / name, programs / "python" / name
        script.write_text(source)
        # Not a first line that names the interpreter: its path may have a space.
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(state))
    yield state
    for path in state.glob("pid-*"):
        try:
            os.killpg(int(path.read_text()), signal.SIGKILL)
        except ProcessLookupError:
            continue


def _running(state: Path) -> int:
    told = subprocess.run(
        ["sacct", *(a for p in state.glob("job-*") for a in ("-j", p.name[4:]))],
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.count("RUNNING")


def test_without_slurm_the_launcher_says_so(
    tmp_path: Path, toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"--launch slurm: found no sbatch and srun on the PATH"):
        toy.run(**FAST, out=str(tmp_path / "run"), launch="slurm")


@pytest.mark.parametrize("cluster", ["debug", "local"])
def test_the_stand_ins_give_the_bits_of_inline(
    tmp_path: Path,
    toy,
    reference: Callable[..., str],
    hash_of: Callable[[Path], str],
    cluster: str,
) -> None:
    run = toy.run(**FAST, out=str(tmp_path / "a run"), launch="slurm", cluster=cluster)
    assert hash_of(run.path) == reference(**FAST)


def test_errors_in_a_job_are_raised_as_in_this_process(tmp_path: Path, toy) -> None:
    common = {**FAST, "launch": "slurm", "cluster": "debug"}
    with pytest.raises(InputError, match=r"^--data: image 3 is broken\.$"):
        toy.run(**common, fail="input", out=str(tmp_path / "a"))
    assert RunDirectory(tmp_path / "a").is_finished("block=0/values")
    with pytest.raises(UnitError, match="unit block=3/values: ZeroDivisionError: by design"):
        toy.run(**common, fail="bug", out=str(tmp_path / "b"))


def test_a_job_array_gives_the_bits_of_inline_with_the_options_asked_for(
    tmp_path: Path,
    toy,
    slurm: Path,
    reference: Callable[..., str],
    hash_of: Callable[[Path], str],
) -> None:
    run = toy.run(
        **FAST,
        out=str(tmp_path / "a run"),
        launch="slurm",
        workers=2,
        slurm={"partition": "gpu", "timeout_min": 7, "mem_gb": "4", "array_parallelism": 1},
    )
    assert hash_of(run.path) == reference(**FAST)
    flags = ast.literal_eval((slurm / "flags").read_text())
    assert flags["partition"] == "gpu"
    assert flags["time"] == "7"
    assert flags["mem"] == "4GB"
    assert flags["array"] == "0-1%1"
    assert flags["cpus-per-task"] == "1"
    assert len(list(slurm.glob("job-*"))) == 2  # one array for each phase


def test_a_refused_or_unknown_option_is_bad_input(tmp_path: Path, toy, slurm: Path) -> None:
    common = {**FAST, "out": str(tmp_path / "run"), "launch": "slurm"}
    with pytest.raises(InputError, match=r"sbatch refused the jobs: .*invalid partition"):
        toy.run(**common, slurm={"partition": "none"})
    with pytest.raises(InputError, match=r"--slurm: unknown name 'partion'; did you mean 'parti"):
        toy.run(**common, slurm={"partion": "gpu"})
    with pytest.raises(InputError, match=r"--slurm: .*timeout_min"):
        toy.run(**common, slurm={"timeout_min": "soon"})


def test_jobs_outlive_a_killed_command_and_the_next_one_waits_for_them(
    tmp_path: Path,
    slurm: Path,
    start_toy: Callable[..., subprocess.Popen],
    reference: Callable[..., str],
    hash_of: Callable[[Path], str],
) -> None:
    options = {"units": 6, "milliseconds": 400}
    out, trace = tmp_path / "run", tmp_path / "trace"
    first = start_toy(**options, out=out, trace=trace, launch="slurm")
    _wait_for(lambda: (out / "slurm" / "jobs.json").exists())
    first.kill()
    first.communicate()
    assert _running(slurm) == 2
    second = start_toy(**options, out=out, trace=trace, launch="slurm")
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert "2 jobs of an earlier launch are at work" in said
    blocks = [int(line.split()[3]) for line in trace.read_text().splitlines()]
    assert sorted(blocks) == list(range(6))
    assert hash_of(out) == reference(units=6, milliseconds=0)


def test_an_interrupt_cancels_the_jobs(
    tmp_path: Path, slurm: Path, start_toy: Callable[..., subprocess.Popen]
) -> None:
    out = tmp_path / "run"
    process = start_toy(units=20, milliseconds=500, out=out, launch="slurm")
    _wait_for(lambda: (out / "slurm" / "jobs.json").exists())
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again" in said
    assert _running(slurm) == 0


def test_a_job_that_vanishes_is_reported(
    tmp_path: Path, toy, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from submitit.core.core import Job as SubmititJob

    monkeypatch.setattr(SubmititJob, "_results_timeout_s", 0)
    with pytest.raises(UnitError, match=r"ended without a result .*run the same command again"):
        toy.run(**FAST, fail="die", out=str(tmp_path / "run"), launch="slurm")


def test_a_requeued_task_skips_what_it_has_finished(tmp_path: Path, toy) -> None:
    import pickle

    trace = tmp_path / "trace"
    study = toy.Toy(units_count=3, milliseconds=0, trace=str(trace))
    units = tuple(unit for unit in study.units() if unit.phase == 0)
    run = RunDirectory(tmp_path, tuple(unit.key for unit in units))
    task = ArrayTask(pickle.dumps(Job(study, run, 1)), 1, units, ())
    ArrayTask(task.pickled, 1, units[:2], ())()
    requeued = task.checkpoint()
    assert requeued.function is task
    assert requeued.result() is None
    assert [line.split()[3] for line in trace.read_text().splitlines()] == ["0", "1", "2"]
    assert isinstance(units[0], Unit)


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
