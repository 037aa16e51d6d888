"""Rules that hold for every command and every package."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.shared_options import check_shared_options
from tests.commands import commands

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "attacks", "landscape", "autoencoders", "interpret")
COMMANDS = commands()
SOURCES = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))


@pytest.mark.parametrize("module", COMMANDS.values())
def test_options_that_commands_share_have_one_type_and_one_default(module):
    assert check_shared_options(importlib.import_module(module).run) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_answers_within_two_seconds_and_loads_nothing_heavy(command):
    def ask(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *options, "-m", command, "--help"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )

    loaded = re.findall(r"\|\s+(\S+)$", ask("-X", "importtime").stderr, flags=re.MULTILINE)
    assert not {"torch", "pandas", "matplotlib", "scipy", "torchvision"} & set(loaded)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        said = ask("-W", "error").stdout
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 2
    assert "examples:" in said
    assert f"python -m {command}" in said


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_face_can_be_imported_and_is_documented(package):
    face = importlib.import_module(package)
    for name in dir(face):
        assert getattr(face, name).__doc__ or name.isupper(), f"{package}.{name}"


def test_imports_go_down_only():
    allowed = {"core": {"core"}, "attacks": {"core", "attacks"}}
    for path in SOURCES:
        package = path.relative_to(ROOT).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            named = []
            if isinstance(node, ast.ImportFrom) and node.module:
                named = [node.module]
            elif isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            for name in named:
                top = name.split(".")[0]
                if top in PACKAGES:
                    below = allowed.get(package, {"core", "attacks", package})
                    assert top in below, f"{path.relative_to(ROOT)} imports {name}"


def test_torchvision_is_imported_in_one_place_only():
    importing = re.compile(r"^\s*(import torchvision|from torchvision)", re.MULTILINE)
    found = [p.relative_to(ROOT).as_posix() for p in SOURCES if importing.search(p.read_text())]
    assert set(found) <= {"core/vision.py"}


def test_no_file_of_a_user_is_unpickled():
    unsafe = re.compile(r"weights_only\s*=\s*False|allow_pickle\s*=\s*True|pickle\.load")
    found = {p.relative_to(ROOT).as_posix() for p in SOURCES if unsafe.search(p.read_text())}
    # There a study's settings go from one process of the same run to another.
    assert found == {"core/studies/processes.py", "core/studies/slurm.py"}
