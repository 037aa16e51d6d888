"""The example of `docs/slices.md` runs, and what it says in comments is so."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "slices.md"


def test_the_example_for_notebooks_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, str(PAGE), "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {"plane.png", "relief.png", "line.png"}
    assert names["found"].anchors["adversarial"].shape == (4, 2)  # type: ignore[attr-defined]
    assert names["plane"].seen.loss.shape == (4, 41, 61)  # type: ignore[attr-defined]
