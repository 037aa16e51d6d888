"""The embedded classifiers are good, made once, the same each time, and leave no trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.data import load_images
from core.errors import InputError
from core.models import load_classifier
from core.models.builtin import BUILT_IN
from core.training import embedded, evaluate


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INPUTSCAPE_CACHE", str(cache))


@pytest.mark.parametrize("name", BUILT_IN)
def test_at_least_97_percent_of_the_held_out_digits_are_classified_correctly(name: str) -> None:
    held_out = load_images("digits", split="test")
    assert len(held_out) == 600
    assert evaluate(load_classifier(name), held_out).accuracy >= 0.97


@pytest.mark.parametrize("name", BUILT_IN)
def test_it_is_trained_once_and_leaves_nothing_but_the_checkpoint(name: str, cache: Path) -> None:
    path = embedded(name)
    written = path.stat().st_mtime_ns
    assert embedded(name) == path
    assert path.stat().st_mtime_ns == written
    assert [found.name for found in path.parent.iterdir() if name in found.name] == [path.name]


def test_training_anew_gives_the_same_weights_and_touches_no_global_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_file(embedded("digits_mlp"))
    monkeypatch.setenv("INPUTSCAPE_CACHE", str(tmp_path))
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    torch.set_num_threads(2)
    try:
        again = load_file(embedded("digits_mlp"))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert torch.equal(torch.rand(3), expected)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_processes_that_start_at_once_all_get_the_same_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INPUTSCAPE_CACHE", str(tmp_path))
    program = "from core.training import embedded; print(embedded('digits_mlp'))"
    root = Path(__file__).resolve().parents[3]
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root)
        for _ in range(2)
    ]
    paths = {process.communicate()[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0]
    assert len(paths) == 1
    assert load_file(paths.pop().decode())


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'digits_convnet'"):
        embedded("digits_convnett")
