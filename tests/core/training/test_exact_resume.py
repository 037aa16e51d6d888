"""A run that is killed again and again ends with the weights of one that was never stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.errors import InputError
from core.training import TrainingSettings, Watcher, train
from core.training.epochs import STATE

# One interpreter forks every run, so that a kill costs milliseconds and not the start of Python.
PROGRAM = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from core.data import load_images
from core.training import TrainingSettings, train
from core.training.start import new_classifier

torch.set_num_threads(1)
sets = load_images("digits", split="train").subset(300), load_images("digits").subset(30)
settings = TrainingSettings(epochs=12, batch_size=16, augmentation="crop_flip", seed=3)

def start(out):
    process = os.fork()
    if process == 0:
        train(new_classifier("digits_convnet", sets[0]), *sets, settings, out)
        os._exit(0)
    return process

began = time.monotonic()
assert os.waitpid(start(sys.argv[1]), 0)[1] == 0
duration = time.monotonic() - began
moments, kills = random.Random(0), 0
for _ in range(10):
    process = start(sys.argv[2])
    time.sleep(moments.uniform(0, 0.3 * duration))
    os.kill(process, signal.SIGKILL)
    kills += os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
assert os.waitpid(start(sys.argv[2]), 0)[1] == 0
print(kills)
"""


def same(first: Path, second: Path) -> bool:
    """Tell whether two files hold the same tensors, bit for bit."""
    a, b = load_file(first), load_file(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_weights_are_bit_equal_after_kills_at_random_moments(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(whole), str(killed)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3
    for name in ("model.safetensors", "best.safetensors"):
        assert same(whole / name, killed / name)


class KilledError(Exception):
    """Stands for a kill at a place that real kills hit rarely."""


class KillAt(Watcher):
    """Ends the run after a step, or after an epoch's checkpoint."""

    def __init__(self, epoch: int, step: int | None) -> None:
        self.at = (epoch, step)

    def step(self, epoch: int, step: int, loss: float) -> None:
        if (epoch, step) == self.at:
            raise KilledError

    def epoch(self, record: object) -> None:
        if (getattr(record, "epoch", None), None) == self.at:
            raise KilledError


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_stop_inside_an_epoch_and_after_a_checkpoint_change_nothing(
    tmp_path: Path, digits: Callable, untrained: Callable, optimiser: str
) -> None:
    settings = TrainingSettings(epochs=3, batch_size=32, optimiser=optimiser, clip=1.0)
    sets = digits(120, 20)
    train(untrained(), *sets, settings, tmp_path / "whole")
    for moment in [(1, 2), (1, None), (2, 3), (3, None)]:
        with pytest.raises(KilledError):
            train(untrained(), *sets, settings, tmp_path / "cut", [KillAt(*moment)])
    result = train(untrained(), *sets, settings, tmp_path / "cut")
    assert same(tmp_path / "whole" / "model.safetensors", result.model)
    assert result.trained == 0


def test_a_finished_run_is_not_trained_again(
    tmp_path: Path, digits: Callable, untrained: Callable
) -> None:
    settings, sets = TrainingSettings(epochs=2, batch_size=32), digits(64, 20)
    first = train(untrained(), *sets, settings, tmp_path)
    written = first.model.stat().st_mtime_ns
    again = train(untrained(), *sets, settings, tmp_path)
    assert (first.trained, again.trained) == (2, 0)
    assert again.history == first.history
    assert first.model.stat().st_mtime_ns == written


def test_the_trained_classifier_in_memory_is_the_one_on_disk_also_when_continued(
    tmp_path: Path,
    digits: Callable,
    untrained: Callable,
) -> None:
    settings, sets = TrainingSettings(epochs=2, batch_size=32), digits(64, 20)
    train(untrained(), *sets, settings, tmp_path)
    classifier = untrained()
    stored = load_file(train(classifier, *sets, settings, tmp_path).model)
    assert all(torch.equal(v, stored[k]) for k, v in classifier.network.state_dict().items())


@pytest.mark.parametrize(
    ("change", "shown"),
    [({"seed": 1}, "seed: 0 -> 1"), ({"learning_rate": 0.2}, "learning_rate: 0.1 -> 0.2")],
)
def test_other_settings_in_the_same_folder_are_refused_with_the_difference(
    tmp_path: Path, digits: Callable, untrained: Callable, change: dict, shown: str
) -> None:
    sets = digits(64, 20)
    train(untrained(), *sets, TrainingSettings(epochs=1, batch_size=32), tmp_path)
    with pytest.raises(InputError, match=shown):
        train(untrained(), *sets, TrainingSettings(epochs=1, batch_size=32, **change), tmp_path)


def test_other_images_and_other_starting_weights_are_refused(
    tmp_path: Path, digits: Callable, untrained: Callable
) -> None:
    settings = TrainingSettings(epochs=1, batch_size=32)
    train(untrained(), *digits(64, 20), settings, tmp_path)
    with pytest.raises(InputError, match="train_images"):
        train(untrained(), *digits(65, 20), settings, tmp_path)
    with pytest.raises(InputError, match="start"):
        train(untrained(seed=1), *digits(64, 20), settings, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short"])
def test_a_damaged_state_is_named(
    tmp_path: Path, digits: Callable, untrained: Callable, content: bytes
) -> None:
    (tmp_path / STATE).write_bytes(content)
    with pytest.raises(InputError, match=r"training\.pt: not a training state"):
        train(untrained(), *digits(64, 20), TrainingSettings(epochs=1), tmp_path)


def test_the_state_is_read_without_unpickling_objects(
    tmp_path: Path, digits: Callable, untrained: Callable
) -> None:
    settings = TrainingSettings(epochs=1, batch_size=32)
    train(untrained(), *digits(64, 20), settings, tmp_path)
    state = torch.load(tmp_path / STATE, weights_only=True)
    assert set(state) >= {"network", "optimiser", "schedule", "history", "identity"}
    torch.save({"identity": {}, "format": 1, "object": Path("x")}, tmp_path / STATE)
    with pytest.raises(InputError, match="not a training state"):
        train(untrained(), *digits(64, 20), settings, tmp_path)
