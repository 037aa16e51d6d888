"""Where and with what a run was made: versions, machine, device, git revision."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_PACKAGES = (
    "inputscape",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "scikit-learn",
)
_PROJECT = Path(__file__).resolve().parents[2]


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what is known of the machine without loading a library for it."""
    known: dict[str, Any] = {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        devices = range(torch.cuda.device_count())
        known["cuda"] = {
            "version": torch.version.cuda,
            "devices": [torch.cuda.get_device_name(i) for i in devices],
        }
    return known


def revisions() -> dict[str, str]:
    """Return the git revisions of this project and of the current folder, where there are some.

    `+changes` is added where files differ from the revision.
    """
    found = {"inputscape": _revision(_PROJECT, only_root=True), "current_folder": _revision(Path())}
    return {name: revision for name, revision in found.items() if revision}


def _revision(folder: Path, *, only_root: bool = False) -> str | None:
    root = _git(folder, "rev-parse", "--show-toplevel")
    # An installed copy may lie inside the repository of somebody else's project.
    if root is None or (only_root and Path(root).resolve() != folder.resolve()):
        return None
    revision = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{revision}+changes" if revision and changed else revision


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        asked = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None
