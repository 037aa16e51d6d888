"""An autoencoder's training that is killed again and again ends with the bits of a whole one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# One interpreter forks every run, so that a kill costs milliseconds and not the start of Python.
PROGRAM = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from autoencoders import Autoencoder, Design, Origin, fit
from core.data import load_images
from core.models import load_classifier
from core.representations import collect, moments
from core.training.seeding import seeded
from core.training.settings import TrainingSettings

torch.set_num_threads(1)
folder, kind = Path(sys.argv[1]), sys.argv[2]
classifier, images = load_classifier(), load_images("digits", split="train").subset(200)
rows, held_out = (
    collect(classifier, part, ["6"], folder=folder / name, logits=False)["6"]
    for name, part in (
        ("train", images.take(slice(0, 150))), ("rest", images.take(slice(150, 200))),
    )
)
found, origin = moments(rows), Origin.of(classifier, "6", images)
design = Design(kind, latent=16, width=16, active=4, codes=32)
settings = TrainingSettings(
    epochs=8, batch_size=16, optimiser="adamw", learning_rate=2e-3, weight_decay=0.0, seed=3
)

def start(out):
    process = os.fork()
    if process == 0:
        with seeded(0, "weights"):
            autoencoder = Autoencoder(design, found)
        fit(autoencoder, rows, held_out, settings, out, origin)
        os._exit(0)
    return process

began = time.monotonic()
assert os.waitpid(start(folder / "whole"), 0)[1] == 0
duration = time.monotonic() - began
chance, kills = random.Random(0), 0
for _ in range(6):
    process = start(folder / "killed")
    time.sleep(chance.uniform(0, 0.4 * duration))
    os.kill(process, signal.SIGKILL)
    kills += os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
assert os.waitpid(start(folder / "killed"), 0)[1] == 0
print(kills)
"""


@pytest.mark.parametrize(
    "kind",
    [
        "vqvae",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("ae", "dae", "vae", "fsq", "sae")),
    ],
)
def test_weights_are_bit_equal_after_kills_at_random_moments(tmp_path, kind):
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), kind],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3
    for name in ("model.safetensors", "best.safetensors"):
        whole, killed = (tmp_path / run / name for run in ("whole", "killed"))
        assert whole.read_bytes() == killed.read_bytes(), name
