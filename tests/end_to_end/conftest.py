"""Commands as a user runs them, and a small study of his own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

QUICK = (
    "--examples", "24", "--matching_pool", "8", "--draws", "4", "--worst_case_steps", "2",
    "--radii", "0.1,0.2", "--worst_case_l2", "0.1", "--worst_case_linf", "1/255",
    "--gradient_draws", "4", "--boundary_steps", "10",
)  # fmt: skip
"""Options of a study that takes seconds."""

FACTORY = """
from torch import nn

def make_net(num_classes=3):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(4),
        nn.Flatten(), nn.Linear(8 * 16, num_classes),
    )
"""


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python -m MODULE ARGUMENTS` in a folder, and return how it ended."""

    def run(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=cwd,
            env=os.environ | {"PYTHONSAFEPATH": "", "PYTHONPATH": _project()},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def _project() -> str:
    return str(Path(__file__).resolve().parents[2])


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A researcher's folder: a factory, a checkpoint with wrappings, class folders of JPEGs."""
    (tmp_path / "mynets.py").write_text(FACTORY)
    jpegs(tmp_path / "images", {"val": ["ant", "bee", "cat"]}, count=12)
    sys.path.insert(0, str(tmp_path))
    try:
        import mynets

        with torch.random.fork_rng():
            torch.manual_seed(0)
            weights = mynets.make_net().state_dict()
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("mynets", None)
    nested = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in weights.items()}}
    torch.save(nested, tmp_path / "net.pt")
    return tmp_path


def jpegs(folder: Path, splits: dict[str, Sequence[str]], count: int, size: int = 16) -> None:
    """Write class folders of small JPEGs, each class with a colour of its own."""
    generator = np.random.default_rng(0)
    for split, classes in splits.items():
        for k, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = generator.integers(0, 120, (size, size, 3))
                pixels[..., k % 3] += 120
                path = folder / split / name / f"{i:03d}.jpg"
                Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)
