from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from core.errors import InputError
from core.studies import Unit, UnitError, file_safe, run_study
from core.studies.run_directory import RunDirectory

FAST = {"units": 4, "milliseconds": 0}


@pytest.fixture
def toy():
    import toy_study

    return toy_study


def _computed(trace: Path) -> list[int]:
    return [int(line.split()[3]) for line in trace.read_text().splitlines()]


def test_a_run_directory_holds_all_that_is_promised(tmp_path: Path, toy) -> None:
    run = toy.run(**FAST, out=str(tmp_path / "run"))
    held = {path.name for path in run.path.iterdir()}
    assert held == {
        *("config.yaml", "environment.json", "shards", "results.parquet", "summary.json"),
        *("report.html", "log.txt"),
    }
    known = run.environment()
    assert known["versions"]["python"].startswith("3.")
    assert {"torch", "numpy", "pandas"} <= set(known["versions"])
    assert known["seed"] == 0
    assert known["identity"] == {"content": "5f" * 32}
    assert known["started"] <= known["finished"]
    assert run.summary() == {"total": pytest.approx(run.results()["value"].sum()), "missing": None}
    assert run.settings()["threads"] == 1
    assert "4 of 6 units" not in (run.path / "log.txt").read_text()


def test_results_are_the_last_phase_and_read_joins_in_unit_order(tmp_path: Path, toy) -> None:
    run = toy.run(units=12, milliseconds=0, out=str(tmp_path / "run"))
    assert list(run.results().columns) == ["part", "value"]
    assert list(run.read("block=")["block"].unique()) == list(range(12))
    assert len(run.read()) == 12 * 5 + 2
    assert run.read("nothing").empty
    total = run.read("block=")["value"].sum()
    assert run.results()["value"].sum() == pytest.approx(total)
    only_looked_at = RunDirectory(run.path)
    assert len(only_looked_at.read("block=")) == 60
    pd.testing.assert_frame_equal(only_looked_at.results(), run.results())


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_the_bits_of_inline(
    tmp_path: Path, toy, reference: Callable[..., str], workers: int, hash_of: Callable[[Path], str]
) -> None:
    run = toy.run(**FAST, out=str(tmp_path / "a b"), launch="processes", workers=workers)
    assert hash_of(run.path) == reference(**FAST)


def test_a_finished_unit_is_never_computed_again(
    tmp_path: Path, toy, caplog: pytest.LogCaptureFixture, hash_of: Callable[[Path], str]
) -> None:
    options = {**FAST, "out": str(tmp_path / "run"), "trace": str(tmp_path / "trace")}
    run = toy.run(**options)
    before = hash_of(run.path)
    shard = run.shard_path("block=1/values")
    shard.unlink()
    with caplog.at_level(logging.INFO, "inputscape"):
        toy.run(**options)
    assert _computed(tmp_path / "trace") == [0, 1, 2, 3, 1]
    assert "5 of 6 units were already done" in caplog.text
    assert hash_of(run.path) == before


def test_a_truncated_or_foreign_shard_is_computed_again_and_said(
    tmp_path: Path, toy, caplog: pytest.LogCaptureFixture, hash_of: Callable[[Path], str]
) -> None:
    options = {**FAST, "out": str(tmp_path / "run"), "trace": str(tmp_path / "trace")}
    run = toy.run(**options)
    before = hash_of(run.path)
    first, second = (run.shard_path(f"block={i}/values") for i in (1, 2))
    first.write_bytes(first.read_bytes()[:-5])
    second.write_bytes(run.shard_path("block=0/values").read_bytes())
    with caplog.at_level(logging.WARNING, "inputscape"):
        toy.run(**options)
    assert _computed(tmp_path / "trace") == [0, 1, 2, 3, 1, 2]
    assert caplog.text.count("computed again") == 2
    assert hash_of(run.path) == before


def test_other_settings_in_the_same_folder_are_refused_with_the_difference(
    tmp_path: Path, toy
) -> None:
    run = toy.run(**FAST, out=str(tmp_path / "run"))
    before = sorted((p, p.read_bytes()) for p in run.path.rglob("*") if p.is_file())
    with pytest.raises(InputError, match=r"other settings: seed: 0 -> 3; threads: 1 -> 2\."):
        toy.run(**FAST, seed=3, threads=2, out=str(run.path))
    assert sorted((p, p.read_bytes()) for p in run.path.rglob("*") if p.is_file()) == before


def test_another_identity_is_refused_with_the_difference(tmp_path: Path, toy) -> None:
    class Retrained(toy.Toy):
        def identity(self) -> dict[str, str]:
            return {"content": "6a" * 32}

    toy.run(**FAST, out=str(tmp_path / "run"))
    with pytest.raises(InputError, match=r"content: 5f5f5f5f5f5f\.\.\. -> 6a6a6a6a6a6a\.\.\."):
        run_study(Retrained(4, milliseconds=0), out=tmp_path / "run")


def test_a_run_of_another_command_is_refused(tmp_path: Path, toy) -> None:
    class Other(toy.Toy):
        command = "tests.other"

    toy.run(**FAST, out=str(tmp_path / "run"))
    with pytest.raises(
        InputError, match=r"holds a run of tests\.toy, expected one of tests\.other"
    ):
        run_study(Other(4, milliseconds=0), out=tmp_path / "run")


def test_a_file_and_a_foreign_folder_are_refused_and_left_alone(tmp_path: Path, toy) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("mine")
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"--out: .*file is a file, expected a folder"):
        toy.run(**FAST, out=str(file))
    with pytest.raises(InputError, match=r"--out: .*folder holds other things \(thesis\.tex\)"):
        toy.run(**FAST, out=str(folder))
    with pytest.raises(InputError, match=r"--out: .*cannot be made"):
        toy.run(**FAST, out=str(file / "below"))
    assert [p.name for p in folder.iterdir()] == ["thesis.tex"]
    (folder / "config.yaml").write_text("mine: [")
    (folder / "environment.json").write_text("{}")
    with pytest.raises(InputError, match="are not a run's"):
        toy.run(**FAST, out=str(folder))


def test_a_run_that_died_while_it_was_made_is_begun_again(
    tmp_path: Path, toy, reference: Callable[..., str], hash_of: Callable[[Path], str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "environment.json").write_text('{"comm')
    (folder / ".config.yaml.host.1.0123abcd.tmp").write_text("un")
    assert hash_of(toy.run(**FAST, out=str(folder)).path) == reference(**FAST)


def test_two_commands_cannot_compute_in_one_folder_at_once(tmp_path: Path, toy) -> None:
    run = toy.run(**FAST, out=str(tmp_path / "run"))
    handle = os.open(run.path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="is being computed by another process"):
            toy.run(**FAST, out=str(run.path))
    finally:
        os.close(handle)
    toy.run(**FAST, out=str(run.path))


def test_without_out_each_different_run_has_a_folder_of_its_own(
    tmp_path: Path, toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [toy.run(**FAST, seed=seed).path for seed in (0, 1, 0)]
    assert paths[0] == paths[2] != paths[1]
    assert re.fullmatch(r"runs/tests\.toy/[0-9a-f]{8}", str(paths[0]))


@pytest.mark.parametrize("launch", ["inline", "processes"])
def test_bad_input_in_a_unit_stays_bad_input_and_keeps_what_is_finished(
    tmp_path: Path, toy, launch: str
) -> None:
    out = str(tmp_path / "run")
    with pytest.raises(InputError, match=r"^--data: image 3 is broken\.$"):
        toy.run(units=12, milliseconds=30, fail="input", out=out, launch=launch)
    finished = [i for i in range(12) if RunDirectory(Path(out)).is_finished(f"block={i}/values")]
    assert finished[:3] == [0, 1, 2]
    assert 3 not in finished
    assert len(finished) <= 4  # no further unit is begun


@pytest.mark.parametrize("launch", ["inline", "processes"])
def test_a_bug_in_a_unit_names_the_unit_and_logs_the_traceback(
    tmp_path: Path, toy, launch: str
) -> None:
    out = tmp_path / "run"
    with pytest.raises(UnitError, match="unit block=3/values: ZeroDivisionError: by design"):
        toy.run(**FAST, fail="bug", out=str(out), launch=launch)
    logged = (out / "log.txt").read_text()
    assert "toy_study.py" in logged
    assert 'raise ZeroDivisionError("by design")' in logged


def test_a_worker_that_dies_is_reported_and_the_run_can_be_continued(
    tmp_path: Path, toy, reference: Callable[..., str]
) -> None:
    out = tmp_path / "run"
    with pytest.raises(UnitError, match=r"a process died .*block=3/values.*run the same command"):
        toy.run(units=4, milliseconds=10, fail="die", out=str(out), launch="processes", workers=1)
    assert RunDirectory(out).is_finished("block=0/values")
    assert not (out / "results.parquet").exists()


def test_never_more_units_at_once_than_workers(tmp_path: Path, toy) -> None:
    trace = tmp_path / "trace"
    toy.run(
        units=14,
        milliseconds=30,
        trace=str(trace),
        out=str(tmp_path / "run"),
        launch="processes",
        workers=3,
    )
    lines = [line.split() for line in trace.read_text().splitlines()]
    assert len(lines) == 14
    assert len({pid for pid, *_ in lines}) == 3
    assert str(os.getpid()) not in {pid for pid, *_ in lines}
    moments = sorted(
        [(float(begun), 1) for _, begun, _, _ in lines]
        + [(float(ended), -1) for _, _, ended, _ in lines]
    )
    at_once = [sum(step for _, step in moments[: i + 1]) for i in range(len(moments))]
    assert max(at_once) in (2, 3)


def test_nothing_is_left_behind_in_the_calling_process(tmp_path: Path, toy) -> None:
    import multiprocessing
    import signal

    import torch

    logger = logging.getLogger("inputscape")

    def state() -> tuple:
        return (
            torch.get_num_threads(),
            os.environ.get("OMP_NUM_THREADS"),
            signal.getsignal(signal.SIGTERM),
            list(logger.handlers),
            logger.level,
            multiprocessing.active_children(),
        )

    before = state()
    toy.run(**FAST, threads=2, out=str(tmp_path / "a"), launch="processes")
    with pytest.raises(UnitError):
        toy.run(**FAST, threads=2, fail="bug", out=str(tmp_path / "b"), launch="processes")
    with pytest.raises(UnitError):
        toy.run(**FAST, threads=2, fail="bug", out=str(tmp_path / "c"))
    assert state() == before


def test_a_unit_is_computed_with_the_threads_asked_for(tmp_path: Path, toy) -> None:
    import torch

    class Counting(toy.Toy):
        def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
            from threadpoolctl import threadpool_info

            blas = {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}
            return pd.DataFrame({"value": [torch.get_num_threads()], "blas": [str(sorted(blas))]})

    run = run_study(Counting(2), out=tmp_path / "run", threads=2)
    assert set(run.results()["value"]) == {2}
    assert set(run.results()["blas"]) == {"[2]"}


def test_bad_options_are_refused_by_name(tmp_path: Path, toy) -> None:
    for options, message in (
        ({"launch": "proceses"}, "--launch: unknown name 'proceses'; did you mean 'processes'?"),
        ({"workers": 0}, "--workers: found 0"),
        ({"threads": -1}, "--threads: found -1"),
        ({"slurm": {"partition": "gpu"}}, "--slurm: is only used with --launch slurm"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            toy.run(**FAST, **options, out=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_study_is_checked_before_its_directory_is_made(tmp_path: Path, toy) -> None:
    class Doubled(toy.Toy):
        def units(self) -> list[Unit]:
            return [Unit("a"), Unit("A")]

    with pytest.raises(ValueError, match="two units have the key 'A'"):
        run_study(Doubled(), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "key", ["", "a/", "../a", "a b", ".hidden", "a/../b", "/a", "a\\b", "a" * 200]
)
def test_keys_that_are_no_file_names_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="file-safe"):
        Unit(key)


def test_any_text_becomes_a_part_of_a_key_of_its_own() -> None:
    texts = ["genuine", "pgd(eps=8/255)", "pgd(eps=8-255)", "é", "", "..", "x" * 300, "x" * 301]
    parts = [file_safe(text) for text in texts]
    assert parts[0] == "genuine"
    assert len(set(parts)) == len(texts)
    for part in parts:
        Unit(part)


def test_other_versions_are_said_when_a_run_goes_on(
    tmp_path: Path, toy, caplog: pytest.LogCaptureFixture
) -> None:
    run = toy.run(**FAST, out=str(tmp_path / "run"))
    known = run.environment()
    known["versions"]["numpy"] = "1.0"
    (run.path / "environment.json").write_text(json.dumps(known))
    with caplog.at_level(logging.WARNING, "inputscape"):
        toy.run(**FAST, out=str(run.path))
    assert "numpy: 1.0 -> " in caplog.text


def test_importing_the_package_loads_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, core.cli, core.options; from core.studies import run_study, Unit;"
        "heavy = {'torch', 'pandas', 'numpy', 'pyarrow', 'submitit'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
