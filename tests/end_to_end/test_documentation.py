"""What the README and the docs tell a reader to type works, and what they point at exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.commands import commands

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_python_in_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    names: dict[str, object] = {}
    for block in blocks:
        quick = block.replace("examples=100", "examples=24, draws=4, worst_case_steps=2")
        exec(compile(quick, "README.md", "exec"), names)
    assert names["crafted"].success.float().mean() > 0.9  # type: ignore[attr-defined]
    assert len(names["run"].results()) == 24 * 11  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_point_at_files_that_exist(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_options_that_pages_name_exist(page):
    from core.cli import parser_of

    known_commands = commands()
    joined = page.read_text().replace("\\\n", " ")
    for module, options in re.findall(r"python -m (\S+)(.*)", joined):
        if module in known_commands:
            run = importlib.import_module(known_commands[module]).run
            known = {f"--{name}" for name in parser_of(run, prog=module).names}
            given = set(re.findall(r"(?<=\s)--[a-z_0-9]+", options))
            assert given <= known, f"{page.name}: {given - known}"


def test_the_make_targets_that_pages_name_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"make ([a-z-]+)(?:`|  )", page.read_text())) <= targets
