"""Kills, interrupts and full disks, each in a process of its own."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.studies.run_directory import RunDirectory

LINUX = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
Start = Callable[..., subprocess.Popen]


def _descendants(pid: int) -> set[int]:
    children: dict[int, set[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _stat(int(entry.name))) is not None:
            children.setdefault(parent[1], set()).add(int(entry.name))
    found, new = set(), {pid}
    while new := {child for one in new for child in children.get(one, ())} - found:
        found |= new
    return found


def _stat(pid: int) -> tuple[str, int] | None:
    """State and parent of a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1])


def _is_alive(pid: int) -> bool:
    stat = _stat(pid)
    return stat is not None and stat[0] not in "ZX"


def _wait_until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _shards(out: Path) -> int:
    return len(list((out / "shards").rglob("[!.]*.parquet")))


@LINUX
def test_ten_kills_at_random_moments_change_no_bit(
    tmp_path: Path,
    start_toy: Start,
    reference: Callable[..., str],
    hash_of: Callable[[Path], str],
) -> None:
    out = tmp_path / "run"
    options = {"units": 60, "milliseconds": 30}
    chance = random.Random(0)
    orphans: set[int] = set()
    for kill in range(10):
        process = start_toy(**options, out=out, launch="processes", workers=2, quiet=True)
        # Mostly while units are computed, sometimes while the processes are still starting.
        if kill % 4:
            before = _shards(out)
            _wait_until(lambda b=before, p=process: _shards(out) > b or p.poll() is not None)
        time.sleep(chance.uniform(0, 0.15))
        workers = _descendants(process.pid)
        if kill in (3, 6) and workers:
            os.kill(max(workers), signal.SIGKILL)
            assert process.wait(30) in (0, 1)
        process.kill()
        process.wait()
        orphans |= workers
    assert 0 < _shards(out) < 62
    assert _wait_until(lambda: not any(map(_is_alive, orphans)), 10)
    last = start_toy(**options, out=out, launch="processes", workers=2)
    said, complained = last.communicate(timeout=60)
    assert last.returncode == 0, complained
    assert "of 62 units were already done" in complained
    assert said.strip() == str(out / "report.html")
    assert hash_of(out) == reference(**options)
    assert not list(out.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("launch", "number", "whole_group"),
    [
        ("inline", signal.SIGINT, True),
        ("processes", signal.SIGINT, True),
        ("processes", signal.SIGTERM, False),
    ],
)
def test_an_interrupt_leaves_a_directory_that_the_same_command_continues(
    tmp_path: Path,
    start_toy: Start,
    reference: Callable[..., str],
    hash_of: Callable[[Path], str],
    launch: str,
    number: signal.Signals,
    whole_group: bool,
) -> None:
    out = tmp_path / "run"
    options = {"units": 40, "milliseconds": 40}
    process = start_toy(**options, out=out, launch=launch)
    assert _wait_until(lambda: _shards(out) >= 2)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "of 42 units are done and kept in" in said
    assert "run the same command again to continue" in said
    assert "Traceback" not in said
    assert 2 <= _shards(out) < 42
    assert not list(out.rglob("*.tmp"))
    again = start_toy(**options, out=out)
    assert again.wait(30) == 0
    assert hash_of(out) == reference(**options)
    again.communicate()


@LINUX
def test_a_ctrl_c_that_reaches_the_workers_disturbs_none_of_them(
    tmp_path: Path, start_toy: Start
) -> None:
    out = tmp_path / "run"
    process = start_toy(units=30, milliseconds=40, out=out, launch="processes")
    assert _wait_until(lambda: _shards(out) >= 2)
    workers = _descendants(process.pid)
    assert len(workers) >= 2
    for worker in workers:
        os.kill(worker, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def test_a_file_size_limit_ends_in_one_sentence_and_keeps_what_is_finished(
    tmp_path: Path, start_toy: Start, hash_of: Callable[[Path], str]
) -> None:
    out = tmp_path / "run"
    options = {"units": 3, "rows": 4000, "milliseconds": 0, "out": out}
    # Enough for config, log and environment, not for a shard.
    code = "import toy_study; from core.cli import command; command(toy_study.run, prog='toy')"
    limited = subprocess.run(
        [sys.executable, "-c", code, *(f"--{name}={value}" for name, value in options.items())],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert limited.returncode == 2
    assert limited.stderr.startswith("error: ")
    assert "the disk is full" in limited.stderr
    assert limited.stderr.count("\n") == 1
    assert not list(out.rglob("*.tmp"))
    again = start_toy(**options)
    assert again.wait(30) == 0
    again.communicate()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not shutil.which("mount"):
        pytest.skip("mount is not there")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_ends_in_one_sentence_and_the_run_goes_on_once_there_is_space(
    tmp_path: Path, tiny_disk: Path, start_toy: Start, hash_of: Callable[[Path], str]
) -> None:
    out, ballast = tiny_disk / "run", tiny_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    options = {"units": 6, "rows": 8000, "milliseconds": 0}
    full = start_toy(**options, out=out)
    _, said = full.communicate(timeout=30)
    assert full.returncode == 2, said
    assert "error: " in said
    assert "the disk is full (No space left on device)" in said
    assert "Traceback" not in said
    run = RunDirectory(out)
    kept = [i for i in range(6) if run.is_finished(f"block={i}/values")]
    assert kept
    assert len(kept) < 6
    assert _shards(out) == len(kept)
    assert not list(out.rglob("*.tmp"))
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(tiny_disk)], check=True)
    again = start_toy(**options, out=out)
    _, said = again.communicate(timeout=30)
    assert again.returncode == 0, said
    assert f"{len(kept)} of 8 units were already done" in said
    undisturbed = start_toy(**options, out=tmp_path / "undisturbed")
    assert undisturbed.wait(30) == 0
    undisturbed.communicate()
    assert hash_of(out) == hash_of(tmp_path / "undisturbed")
