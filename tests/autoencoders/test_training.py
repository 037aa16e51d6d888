"""One call collects, builds, trains and keeps; the same call goes on where it was stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autoencoders import Design, load_autoencoder, train_autoencoder
from autoencoders.training import SETTINGS
from core.data import load_images
from core.errors import InputError
from core.models import load_classifier


def test_what_is_returned_is_what_is_kept_and_a_second_call_trains_nothing(tmp_path):
    classifier, images = load_classifier(), load_images("digits", split="train").subset(120)
    settings = replace(SETTINGS, epochs=2)
    made, origin = train_autoencoder(
        classifier, images, "10", "ae", out=tmp_path, settings=settings
    )
    kept, its_origin = load_autoencoder(tmp_path / "model.safetensors")
    assert its_origin == origin
    assert origin.layer == "10"
    rows = torch.from_numpy(np.zeros((3, *made.shape), np.float32))
    assert torch.equal(made(rows), kept(rows))
    written = (tmp_path / "training.pt").stat().st_mtime_ns
    again, _ = train_autoencoder(classifier, images, "10", "ae", out=tmp_path, settings=settings)
    assert (tmp_path / "training.pt").stat().st_mtime_ns == written
    assert torch.equal(again(rows), made(rows))
    other = Design("ae", latent=3)
    with pytest.raises(InputError, match="design"):
        train_autoencoder(classifier, images, "10", other, out=tmp_path, settings=settings)


def test_an_unknown_kind_or_layer_is_named(tmp_path):
    classifier, images = load_classifier(), load_images("digits", split="train").subset(60)
    with pytest.raises(InputError, match="vqvea"):
        train_autoencoder(classifier, images, "10", "vqvea", out=tmp_path)
    with pytest.raises(InputError, match="99"):
        train_autoencoder(classifier, images, "99", out=tmp_path)
