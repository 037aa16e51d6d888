"""What every test stands on: one thread per process, and the real data where it is present."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")
# The user's own cache is neither read nor filled; all test processes share this one.
os.environ["INPUTSCAPE_CACHE"] = str(Path(tempfile.gettempdir()) / f"inputscape-{os.getuid()}")

import pytest
import torch

torch.set_num_threads(1)


def _folder_from(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value or not Path(value).is_dir():
        pytest.skip(f"set {variable} to run on the real data")
    return Path(value)


@pytest.fixture(scope="session")
def tiny_imagenet() -> Path:
    """The folder `tiny-imagenet-20`, in tiny-imagenet's own layout."""
    return _folder_from("INPUTSCAPE_TINY_IMAGENET")


@pytest.fixture(scope="session")
def trained_classifiers() -> Path:
    """The folder with classifiers trained on tiny-imagenet-20."""
    return _folder_from("INPUTSCAPE_CLASSIFIERS")
