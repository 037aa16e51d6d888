"""Every command of the project, found by its files."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "attacks", "landscape", "autoencoders", "interpret")


def commands() -> dict[str, str]:
    """Return the module that holds `run` for each command, `python -m NAME`."""
    found = {"core.train": "core.train"}
    for name in PACKAGES:
        for path in sorted((ROOT / name).rglob("command.py")):
            command = ".".join(path.relative_to(ROOT).parts[:-1])
            found[command] = f"{command}.command"
    return found
