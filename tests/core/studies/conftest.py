from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture(autouse=True)
def _toy_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(ROOT)]))


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Hash of the results of an undisturbed inline run, made once for each set of options."""
    known: dict[tuple, str] = {}

    def of(**options: int) -> str:
        key = tuple(sorted(options.items()))
        if key not in known:
            sys.path.insert(0, str(HERE))
            try:
                import toy_study
            finally:
                sys.path.remove(str(HERE))
            run = toy_study.run(**options, out=str(tmp_path_factory.mktemp("reference") / "run"))
            known[key] = _hash_of(run.path)
        return known[key]

    return of


def _hash_of(run: Path) -> str:
    return hashlib.sha256((run / "results.parquet").read_bytes()).hexdigest()


@pytest.fixture
def hash_of() -> Callable[[Path], str]:
    """Return the function from a run directory to the hash of its results."""
    return _hash_of


@pytest.fixture
def start_toy() -> Iterator[Callable[..., subprocess.Popen]]:
    """Start `python -m toy_study --name=value ...` in a process group of its own.

    What is left of the groups is killed after the test, also where the test fails.
    """
    started: list[subprocess.Popen] = []

    def start(*, quiet: bool = False, **options: object) -> subprocess.Popen:
        # A pipe would stay open, and be waited for, as long as an orphan lives.
        output = subprocess.DEVNULL if quiet else subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-m", "toy_study", *(f"--{k}={v}" for k, v in options.items())],
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.stdout and process.stderr:
            process.stdout.close()
            process.stderr.close()
        process.wait()
