from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.cli import command, parse, parser_of
from core.errors import InputError
from core.studies.settings import to_yaml

COMMAND = '''
"""A command module that keeps heavy imports out of the way."""
from __future__ import annotations
import sys

def run(model: str = "digits_convnet", examples: int = 100) -> None:
    """Measure something.

    Args:
        model: the classifier.
        examples: how many.
    """
    import torch

if __name__ == "__main__":
    import atexit
    heavy = {"torch", "pandas", "numpy", "pyarrow", "submitit", "matplotlib"}
    atexit.register(lambda: print("HEAVY", sorted(heavy & set(sys.modules))))
    from core.cli import command
    command(run, prog="python -m dummy", examples=["python -m dummy --model resnet18"])
'''


def run(
    model: str = "digits_convnet",
    attacks: list[str] | str | None = "fgsm(eps=1/255)",
    radii: list[float] | str | None = None,
    eps: float = 0.5,
    batch_size: int = 256,
    skip_unreadable: bool = False,
    checkpoint: str | None = None,
    slurm: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure flatness to 95 % of all.

    A second paragraph.

    Args:
        model: the classifier.
        attacks: recipes, 100 % verified.
        radii: in input units.
        eps: size of the step.
        batch_size: inputs at once.
        skip_unreadable: leave out corrupt files.
        checkpoint: weights.
        slurm: options of the jobs.
    """
    return dict(locals())


def _parse(*arguments: str) -> dict[str, Any]:
    return parse(parser_of(run, prog="python -m x"), run, arguments)


def test_help_is_quick_and_loads_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "dummy.py").write_text(COMMAND)
    root = str(Path(__file__).parents[2])
    begun = time.monotonic()
    asked = subprocess.run(
        [sys.executable, "-m", "dummy", "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": root},
        check=True,
    )
    assert time.monotonic() - begun < 2
    assert "HEAVY []" in asked.stdout
    assert "Measure something." in asked.stdout
    assert "--examples N" in asked.stdout
    assert "how many (default: 100)" in asked.stdout
    assert asked.stdout.rstrip().splitlines()[-2] == "  python -m dummy --model resnet18"


def test_help_shows_every_option_with_its_text_and_default() -> None:
    text = " ".join(
        parser_of(run, prog="python -m x", description="About it.").format_help().split()
    )
    for part in (
        "About it.",
        "-h, --help",
        "--config FILE",
        "--print_config",
        "--debug",
        "--model MODEL the classifier (default: digits_convnet)",
        "--attacks A,B,... recipes, 100 % verified (default: fgsm(eps=1/255))",
        "--radii A,B,... in input units",
        "--skip_unreadable {true,false} leave out corrupt files (default: false)",
    ):
        assert part in text
    assert "attacks+" not in text
    assert "null" not in text


def test_defaults_are_those_of_the_signature() -> None:
    assert _parse() == run()


@pytest.mark.parametrize(
    "text",
    [
        "fgsm(eps=1/255),pgd(norm=linf, eps=8/255)",
        "pgd(norm=linf, eps=8/255, steps=40)",
        "1e-3",
        "a: b",
        "{a: 1}",
        "@x # y",
        "'quoted'",
    ],
)
def test_recipes_pass_through_unharmed(text: str, tmp_path: Path) -> None:
    assert _parse(f"--attacks={text}")["attacks"] == text
    assert _parse("--attacks", text)["attacks"] == text
    (tmp_path / "study.yaml").write_text(to_yaml({"attacks": text, "model": text}))
    read = _parse(f"--config={tmp_path / 'study.yaml'}")
    assert (read["attacks"], read["model"]) == (text, text)


def test_lists_of_yaml_and_of_the_command_line_stay_lists(tmp_path: Path) -> None:
    assert _parse("--attacks=[fgsm, pgd]")["attacks"] == ["fgsm", "pgd"]
    assert _parse("--radii=[0.1, 1]")["radii"] == [0.1, 1.0]
    (tmp_path / "study.yaml").write_text("attacks: [a, 'pgd(norm=linf, eps=8/255)']\nradii: [1]\n")
    read = _parse(f"--config={tmp_path / 'study.yaml'}")
    assert read["attacks"] == ["a", "pgd(norm=linf, eps=8/255)"]
    assert read["radii"] == [1.0]


def test_options_after_the_config_win(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("eps: 0.25\nbatch_size: 7\n")
    read = _parse(f"--config={tmp_path / 'study.yaml'}", "--eps=0.125")
    assert (read["eps"], read["batch_size"]) == (0.125, 7)


def test_what_settings_write_is_what_the_parser_reads(tmp_path: Path) -> None:
    settings = {
        "model": "1e-3",
        "attacks": ["pgd(norm=linf, eps=8/255)", "no", "null"],
        "radii": [8 / 255, 1e-05, 3.0],
        "eps": 1e-20,
        "batch_size": 3,
        "skip_unreadable": True,
        "checkpoint": None,
        "slurm": None,
    }
    (tmp_path / "config.yaml").write_text("# a comment\n" + to_yaml(settings))
    assert _parse(f"--config={tmp_path / 'config.yaml'}") == settings


def test_print_config_prints_what_config_reads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as ended:
        _parse("--eps=0.125", "--debug", "--print_config")
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert set(yaml.safe_load(printed)) == set(run())
    (tmp_path / "config.yaml").write_text(printed)
    assert _parse(f"--config={tmp_path / 'config.yaml'}") == run(eps=0.125)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--batch-size", "3"], {"batch_size": 3}),
        (["--skip-unreadable"], {"skip_unreadable": True}),
        (["--skip_unreadable", "--eps", "1"], {"skip_unreadable": True, "eps": 1.0}),
        (["--skip_unreadable", "false"], {"skip_unreadable": False}),
        (
            ["--slurm.partition=gpu", "--slurm.qos=high"],
            {"slurm": {"partition": "gpu", "qos": "high"}},
        ),
        (["--slurm", "{partition: gpu}"], {"slurm": {"partition": "gpu"}}),
        (["--eps", "-0.5"], {"eps": -0.5}),
    ],
)
def test_ways_to_say_it(arguments: list[str], expected: dict[str, Any]) -> None:
    assert _parse(*arguments) == run() | expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--modle=x"], "--modle: unknown option; did you mean --model?"),
        (["--attack", "x"], "--attack: unknown option; did you mean --attacks?"),
        (["--batchsize=3"], "--batchsize: unknown option; did you mean --batch_size?"),
        (["--zzz"], "--zzz: unknown option; --help lists the options."),
        (["--mod=x"], "--mod: unknown option; did you mean --model?"),
        (["extra"], "unexpected argument 'extra': options are given as --name value."),
        (["--batch_size=many"], "--batch_size: found 'many', expected int."),
        (["--batch_size=2.5"], "--batch_size: found '2.5', expected int."),
        (["--model"], "--model: expected one argument."),
        (["--slurm=x"], "--slurm: found 'x', expected dict[str, Any] | null."),
        (["--config=none.yaml"], "--config: File does not exist: "),
        (["--config=unknown.yaml"], "--config: unknown name 'modle'; did you mean 'model'?"),
        (["--config=type.yaml"], "--batch_size: found 'many', expected int."),
        (["--config=broken.yaml"], "--config: is not YAML: "),
    ],
)
def test_bad_arguments_end_in_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("unknown.yaml").write_text("modle: x\n")
    Path("type.yaml").write_text("batch_size: many\n")
    Path("broken.yaml").write_text("a: [1\n")
    with pytest.raises(InputError) as raised:
        _parse(*arguments)
    assert str(raised.value).startswith(sentence)
    assert "\n" not in str(raised.value)


def _command(
    function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["x", *arguments])
    with pytest.raises(SystemExit) as ended:
        command(function, prog="python -m x")
    return ended.value.code


def test_exit_codes_and_what_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from core.studies import StudyInterrupted, UnitError

    def failing(kind: str = "none") -> Path:
        """Fail.

        Args:
            kind: how.
        """
        if kind == "input":
            raise InputError("--data: not there.")
        if kind == "unit":
            raise UnitError("unit a: by design")
        if kind == "interrupt":
            raise StudyInterrupted("stopped: run the same command again")
        if kind == "full":
            raise OSError(28, "No space left on device", "figures/a.png")
        return tmp_path / "model.safetensors"

    expected = {
        "input": (2, "error: --data: not there.\n"),
        "unit": (1, "error: unit a: by design (--debug shows where; so does log.txt)\n"),
        "interrupt": (130, "stopped: run the same command again\n"),
    }
    for kind, (code, said) in expected.items():
        assert _command(failing, monkeypatch, f"--kind={kind}") == code
        assert capsys.readouterr().err == said
    assert _command(failing, monkeypatch, "--kind=full") == 2
    assert capsys.readouterr().err.startswith(
        "error: figures/a.png cannot be written, the disk is full (No space left on device)"
    )
    assert _command(failing, monkeypatch, "--kidn=x") == 2
    assert capsys.readouterr().err == "error: --kidn: unknown option; did you mean --kind?\n"
    assert _command(failing, monkeypatch) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'model.safetensors'}\n"


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(kind: str = "input") -> None:
        """Fail."""
        raise InputError("--data: not there.")

    assert _command(failing, monkeypatch, "--debug") == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.endswith("error: --data: not there.\n")


def test_a_bug_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy() -> None:
        """Fail."""
        raise ZeroDivisionError

    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(ZeroDivisionError):
        command(buggy, prog="python -m x")
