"""`python -m core.train`, from image files to a classifier that other commands take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from core.data import load_images
from core.errors import InputError
from core.models import load_classifier
from core.shared_options import check_shared_options
from core.train import run
from core.training import evaluate
from core.training.splits import training_splits

ROOT = Path(__file__).resolve().parents[3]


def started(*options: str, cwd: Path) -> subprocess.Popen[str]:
    """Start the command in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "core.train", *options],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of JPEGs in three classes that differ in colour."""
    numbers = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 6)):
        for channel, name in enumerate(("blue", "green", "red")):
            folder = tmp_path / "photo graphs" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = numbers.integers(0, 120, (16, 16, 3))
                pixels[..., 2 - channel] += 110
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.jpg")
    return tmp_path / "photo graphs"


def test_from_jpegs_to_a_classifier_that_needs_no_option(photographs: Path, tmp_path: Path) -> None:
    options = ["--model", "resnet18", "--data", str(photographs), "--normalisation", "imagenet"]
    options += ["--stem", "small", "--epochs", "2", "--batch_size", "8", "--learning_rate", "0.02"]
    process = started(*options, "--out", "runs/red", cwd=tmp_path)
    said, log = process.communicate()
    assert process.returncode == 0, log
    out = tmp_path / "runs" / "red"
    assert said.strip() == "runs/red"
    assert "epoch 2 of 2" in log
    assert {path.name for path in out.iterdir()} >= {
        "config.yaml",
        "environment.json",
        "log.txt",
        "metrics.csv",
        "model.safetensors",
        "best.safetensors",
        "summary.json",
        "tensorboard",
    }
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert (config["epochs"], config["augmentation"]) == (2, "crop_flip")
    assert json.loads((out / "environment.json").read_text())["finished"]
    classifier = load_classifier("resnet18", checkpoint=out / "model.safetensors")
    assert classifier.class_names == ("blue", "green", "red")
    assert classifier.stem == "small"
    summary = json.loads((out / "summary.json").read_text())
    held_out = load_images(str(photographs))
    assert evaluate(classifier, held_out).accuracy == pytest.approx(summary["accuracy"])
    assert summary["validation_images"] == len(held_out) == 18


def test_ctrl_c_says_how_to_continue_and_the_same_command_does(tmp_path: Path) -> None:
    options = ["--model", "digits_mlp", "--epochs", "12", "--batch_size", "64", "--out", "run"]
    options += ["--tensorboard", "false"]
    process = started(*options, cwd=tmp_path)
    while not (tmp_path / "run" / "training.pt").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    log = process.communicate()[1]
    assert process.returncode == 130
    assert "run the same command again to continue" in log
    assert "Traceback" not in log
    before = torch.load(tmp_path / "run" / "training.pt", weights_only=True)["history"]
    assert 1 <= len(before) < 12
    process = started(*options, cwd=tmp_path)
    log = process.communicate()[1]
    assert process.returncode == 0
    assert f"continued after epoch {len(before)} of 12" in log


@pytest.fixture
def quick(tmp_path: Path) -> dict[str, Any]:
    """Options of a run that takes a moment."""
    return {
        "model": "digits_mlp",
        "epochs": 1,
        "tensorboard": False,
        "out": str(tmp_path / "run"),
    }


def test_the_config_repeats_the_run(quick: dict[str, Any], tmp_path: Path) -> None:
    first = run(**quick)
    config = first.settings()
    again = run(**{**config, "tensorboard": False, "out": str(tmp_path / "again")})
    a, b = (load_file(made.path / "model.safetensors") for made in (first, again))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_other_settings_in_the_same_folder_are_refused_and_nothing_is_lost(
    quick: dict[str, Any],
) -> None:
    made = run(**quick)
    files = {path: path.stat().st_mtime_ns for path in made.path.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=r"label_smoothing: 0\.1 -> 0\.2"):
        run(**quick, label_smoothing=0.2)
    assert files == {path: path.stat().st_mtime_ns for path in files}


def test_tensorboard_shows_each_epoch_of_a_continued_run_once(quick: dict[str, Any]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from core.training.history import EpochRecord
    from core.training.watchers import Plan, TensorBoard

    made = run(**{**quick, "epochs": 2, "tensorboard": True})
    folder = made.path / "tensorboard"
    records = [EpochRecord(n, 1.0 / n, 1.0, 0.5, 0.1, 10.0, 1.0) for n in (1, 2)]
    for history in (records[:1], records):
        watcher = TensorBoard(folder)
        watcher.begin(Plan(3, 4, 8), history)
        watcher.epoch(EpochRecord(len(history) + 1, 0.1, 1.0, 0.5, 0.1, 10.0, 1.0))
        watcher.end()
    events = EventAccumulator(str(folder)).Reload().Scalars("loss/train")
    assert [event.step for event in events] == [1, 2, 3]


def test_a_checkpoint_for_other_classes_keeps_its_body_and_gets_a_new_head(
    quick: dict[str, Any], tmp_path: Path
) -> None:
    start = run(**quick).path / "model.safetensors"
    images = load_images("digits", split="train").subset(200)
    few = images.labels < 4
    np.savez(
        tmp_path / "four.npz",
        images=images.images[few],
        labels=images.labels[few],
    )
    made = run(
        **{**quick, "out": str(tmp_path / "four")},
        data=str(tmp_path / "four.npz"),
        checkpoint=str(start),
        layers="7",
        batch_size=16,
    )
    before, after = load_file(start), load_file(made.path / "model.safetensors")
    assert after["7.weight"].shape[0] == 4
    assert all(after[n].equal(before[n]) for n in before if not n.startswith("7."))


def test_images_with_one_split_have_a_tenth_of_each_class_held_out(photographs: Path) -> None:
    train, validation = training_splits(str(photographs / "train"))
    assert (len(train), len(validation)) == (44, 4)
    assert set(validation.labels) == {0, 1, 2}
    assert not set(train.ids) & set(validation.ids)


@pytest.fixture
def _quiet_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("_quiet_folder")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "resnet81"}, "--model: .*resnet18"),
        ({"optimiser": "sdg"}, "--optimiser: .*did you mean 'sgd'"),
        ({"data": "nowhere"}, "--data"),
        ({"checkpoint": "nowhere.safetensors"}, "--checkpoint"),
        ({"normalisation": "imagnet"}, "--normalisation: .*did you mean 'imagenet'"),
        ({"threads": 0}, "--threads"),
        ({"device": "gpu"}, "--device"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(**options)


def test_shared_options_are_those_of_the_other_commands() -> None:
    assert check_shared_options(run) == []


def test_help_loads_no_heavy_library() -> None:
    code = """
import atexit, runpy, sys
heavy = ("torch", "pandas", "torchvision", "matplotlib", "tensorboard")
atexit.register(lambda: print([name for name in heavy if name in sys.modules]))
sys.argv = ["core.train", "--help"]
runpy.run_module("core.train", run_name="__main__", alter_sys=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "--label_smoothing" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
