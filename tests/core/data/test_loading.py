from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.data import load_images
from core.errors import InputError


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("digit", r"--data: unknown name 'digit'; did you mean 'digits'\? Valid: digits, cifar10:"),
        ("cifar", "did you mean 'cifar10"),
        ("/no/such/folder", "--data: /no/such/folder does not exist; expected a folder or a file"),
        ("images.npz", "images.npz does not exist"),
    ],
)
def test_a_spec_that_is_nothing_is_refused(spec: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_images(spec)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"must be \.npz or \.safetensors"):
        load_images(tmp_path / "set.pkl")


@pytest.mark.parametrize("option", ["size", "workers"])
def test_options_must_be_positive(option: str) -> None:
    with pytest.raises(InputError, match=f"--{option}: expected a positive integer, found 0"):
        load_images("digits", **{option: 0})


def test_digits_have_no_val() -> None:
    with pytest.raises(InputError, match=r"unknown name 'val'.* Valid: train, test\."):
        load_images("digits", split="val")


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'pandas', 'torchvision', 'sklearn', 'PIL', 'numpy'}"
    code = f"import core.data, sys; assert not {heavy} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
