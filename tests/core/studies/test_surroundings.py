"""Threads, environment, progress and logs around a study."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.studies import environment, progress
from core.studies.logs import log_file, log_terminal
from core.studies.threads import limited_threads


def test_threads_are_restored_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS")
    before = torch.get_num_threads()
    inside: list[object] = []

    def fail() -> None:
        with limited_threads(before + 2):
            inside.extend([torch.get_num_threads(), os.environ["MKL_NUM_THREADS"]])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inside == [before + 2, str(before + 2)]
    assert torch.get_num_threads() == before
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "MKL_NUM_THREADS" not in os.environ


def test_git_revisions_are_those_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    monkeypatch.chdir(tmp_path)
    if environment.revisions().get("current_folder"):
        pytest.skip("the temporary folder lies in a repository")
    git("init")
    (tmp_path / "net.py").write_text("a")
    git("add", ".")
    git("commit", "-m", "first")
    revision = git("rev-parse", "HEAD")
    assert environment.revisions()["current_folder"] == revision
    (tmp_path / "net.py").write_text("b")
    assert environment.revisions()["current_folder"] == f"{revision}+changes"


def test_without_git_there_is_no_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.revisions() == {}


def test_thousands_of_units_off_a_terminal_are_a_few_lines(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(x * 0.01 for x in range(10_000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with (
        caplog.at_level(logging.INFO, "inputscape"),
        progress.progress("x", 5_000, 1_000) as advance,
    ):
        for _ in range(4_000):
            advance()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "x: 2500 of 5000 units, 100.0 units/s, about 0:00:25 left"
    assert lines[-1].startswith("x: 5000 of 5000 units, ")
    assert len(lines) == 3


def test_a_terminal_gets_a_bar_with_count_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.progress("landscape.flatness", 12, 3) as advance:
        for _ in range(9):
            advance()
    shown = terminal.getvalue()
    assert "landscape.flatness" in shown
    assert "12/12" in shown
    assert "units/s" in shown or "s/unit" in shown


def test_messages_reach_the_file_and_the_terminal_and_details_the_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("inputscape")
    with log_terminal(), log_file(tmp_path / "log.txt"):
        logger.info("5 of 6 units")
        logger.warning("careful")
        logger.debug("details")
    logger.warning("after the block")
    assert capsys.readouterr().err.startswith("5 of 6 units\nwarning: careful\n")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.split(maxsplit=3)[3] for line in lines] == [
        "INFO 5 of 6 units",
        "WARNING careful",
        "DEBUG details",
    ]


def test_a_log_that_cannot_be_written_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with log_file(tmp_path / "missing" / "log.txt"):
        logging.getLogger("inputscape").info("text")
    assert capsys.readouterr().err == ""
