"""Autoencoders are trained on the loop of classifiers, and continued to the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from autoencoders import Autoencoder, Design, fit, load_autoencoder
from autoencoders.artifact import Origin
from autoencoders.fitting import FitRecord
from core.data import load_images
from core.errors import InputError
from core.models import load_classifier
from core.representations import collect, moments
from core.representations.streamed import StreamedRows
from core.training.history import Record
from core.training.seeding import seeded
from core.training.settings import TrainingSettings
from core.training.watchers import Watcher

ORIGIN = Origin("6", "whole", "f" * 64, "digits_convnet", "e" * 64)
SETTINGS = TrainingSettings(
    epochs=4, batch_size=32, optimiser="adamw", learning_rate=2e-3, weight_decay=0.0
)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    classifier = load_classifier()
    folder = tmp_path_factory.mktemp("representations")
    parts = {
        split: collect(
            classifier, load_images("digits", split=split).subset(n), ["6"], folder=folder / split
        )["6"]
        for split, n in (("train", 160), ("test", 60))
    }
    return parts["train"], parts["test"]


def new(kind: str, rows) -> Autoencoder:
    with seeded(0, "weights"):
        return Autoencoder(
            Design(kind=kind, latent=16, width=16, active=4, codes=32), moments(rows)
        )


class Stop(Watcher):
    """Stops after an epoch, as a kill would."""

    def __init__(self, after: int) -> None:
        self.after = after

    def epoch(self, record: Record) -> None:
        if record.epoch == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["ae", "dae", "vae", "vqvae", "fsq", "sae"])
def test_a_training_that_was_killed_ends_with_the_same_bits(digits, tmp_path, kind):
    train, validation = digits
    whole = fit(new(kind, train), train, validation, SETTINGS, tmp_path / "whole", ORIGIN)
    for after in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            fit(
                new(kind, train), train, validation, SETTINGS, tmp_path / "part", ORIGIN,
                [Stop(after)],
            )  # fmt: skip
    again = fit(new(kind, train), train, validation, SETTINGS, tmp_path / "part", ORIGIN)
    assert again.trained == 1
    assert again.model.read_bytes() == whole.model.read_bytes()
    assert [r.train_loss for r in again.history] == [r.train_loss for r in whole.history]
    assert (again.best.exists(), again.history[-1].epoch) == (True, 4)


def test_what_is_logged_is_the_explained_variance_of_the_file(digits, tmp_path):
    train, validation = digits
    done = fit(new("ae", train), train, validation, SETTINGS, tmp_path, ORIGIN)
    autoencoder, _ = load_autoencoder(done.model)
    x = torch.from_numpy(validation[:])
    with torch.no_grad():
        left = (autoencoder(x) - x).double().square().sum()
    whole = (x.double() - torch.from_numpy(moments(train).mean)).square().sum()
    assert done.history[-1].explained_variance == pytest.approx(float(1 - left / whole), abs=1e-6)
    assert done.history[-1].explained_variance > done.history[0].explained_variance
    table = (tmp_path / "metrics.csv").read_text().splitlines()
    assert len(table) == 5
    assert table[0].startswith("epoch,train_loss,train_explained,explained_variance")


def test_streamed_representations_are_those_that_were_collected(digits, tmp_path):
    train, validation = digits
    classifier = load_classifier()
    streamed = StreamedRows(classifier, load_images("digits", split="train").subset(160), "6")
    assert streamed.shape == train.shape
    np.testing.assert_allclose(streamed[[3, 150, 3]], train[[3, 150, 3]], atol=1e-5)
    np.testing.assert_allclose(moments(streamed).mean, moments(train).mean, atol=1e-5)
    done, kept = (
        fit(new("ae", train), given, validation, SETTINGS, tmp_path / name, ORIGIN)
        for given, name in ((streamed, "streamed"), (train, "kept"))
    )
    for one, other in zip(done.history, kept.history, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-3)


def test_another_run_in_the_folder_and_a_loss_that_diverges_are_said(digits, tmp_path: Path):
    train, validation = digits
    fit(new("ae", train), train, validation, SETTINGS, tmp_path / "a", ORIGIN)
    with pytest.raises(InputError, match="holds a training run with other settings"):
        fit(new("vae", train), train, validation, SETTINGS, tmp_path / "a", ORIGIN)
    broken = new("ae", train)
    torch.nn.init.constant_(next(broken.decoder.parameters()), torch.inf)
    with pytest.raises(InputError, match="--learning_rate: the training has diverged"):
        fit(broken, train, validation, SETTINGS, tmp_path / "b", ORIGIN)
    with pytest.raises(InputError, match="expected at least 2 of shape"):
        fit(new("ae", train), train, validation[:1], SETTINGS, tmp_path / "c", ORIGIN)


def test_a_record_is_read_back_as_it_was_written():
    record = FitRecord(3, 1.0, 0.5, 0.4, 1e-3, 100.0, 2.0, {"kl": 12.0, "used": 0.9})
    assert FitRecord.of(record.plain()) == record
    assert "kl 12" in record.said()
    assert record.scalars()["latent/used"] == 0.9
