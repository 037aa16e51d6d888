"""TensorBoard sees every epoch once, and pictures where there are any."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from autoencoders import Autoencoder, Design, fit
from autoencoders.artifact import Origin
from autoencoders.watching import SHOWN, Reconstructions
from core.data import load_images
from core.models import load_classifier
from core.representations import collect, moments
from core.training.history import Record
from core.training.seeding import seeded
from core.training.settings import TrainingSettings
from core.training.watchers import Watcher

SETTINGS = TrainingSettings(epochs=3, batch_size=32, optimiser="adamw", weight_decay=0.0)


class Stop(Watcher):
    """Stops after the second epoch, as a kill would."""

    def epoch(self, record: Record) -> None:
        if record.epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("layer", ["input", "10"])
def test_numbers_of_every_epoch_and_pictures_at_the_input_alone(layer, tmp_path):
    images = load_images("digits").subset(64)
    rows = collect(load_classifier(), images, [layer], folder=tmp_path / "rows", logits=False)[
        layer
    ]
    origin = Origin(layer, "whole", "f" * 64, "digits_convnet", "e" * 64)

    def trained(*others: Watcher) -> Autoencoder:
        with seeded(0, "weights"):
            autoencoder = Autoencoder(Design(latent=4, width=8), moments(rows))
        shown = Reconstructions(tmp_path / "events", autoencoder, rows, layer)
        fit(autoencoder, rows, rows, SETTINGS, tmp_path / "run", origin, [shown, *others])
        return autoencoder

    with pytest.raises(KeyboardInterrupt):
        trained(Stop())
    autoencoder = trained()
    events = EventAccumulator(str(tmp_path / "events"), {"images": 0, "scalars": 0})
    events.Reload()
    epochs = [event.step for event in events.Scalars("explained_variance/validation")]
    assert epochs == [1, 2, 3]
    if layer != "input":
        assert events.Tags()["images"] == []
        return
    seen = events.Images("reconstructions")
    assert [event.step for event in seen] == [3]
    drawn = np.asarray(Image.open(io.BytesIO(seen[-1].encoded_image_string)).convert("L"))
    assert drawn.shape == (2 * 64, SHOWN * 64)
    x = torch.from_numpy(rows[:SHOWN])
    with torch.no_grad():
        expected = torch.stack([x, autoencoder.eval()(x).clamp(0, 1)])[:, :, 0]
    pixels = drawn.reshape(2, 8, 8, SHOWN, 8, 8)[:, :, 4, :, :, 4].transpose(0, 2, 1, 3)
    np.testing.assert_allclose(pixels / 255, expected, atol=1.5 / 255)
