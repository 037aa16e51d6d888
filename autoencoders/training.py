"""An autoencoder of one layer in one call: collected, built, trained, kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autoencoders.artifact import Origin, load_autoencoder
from autoencoders.designs import Design
from autoencoders.fitting import fit
from autoencoders.model import Autoencoder
from autoencoders.quality.baselines import components_for
from autoencoders.watching import Reconstructions
from core.data import ImageSet
from core.layers import resolve_layer
from core.models import Classifier
from core.representations import collect, moments
from core.training.seeding import seeded
from core.training.settings import TrainingSettings
from core.training.splits import hold_out
from core.training.watchers import Watcher

MOST_LATENT, CODE_CHANNELS, DICTIONARY = 256, 64, 8
"""Default latents: at most so many numbers; channels of a map of codes; entries per channel."""
SHARE = 0.9
"""Of the variance that the principal components of a default latent explain."""
SETTINGS = TrainingSettings(
    epochs=30,
    batch_size=64,
    optimiser="adamw",
    learning_rate=2e-3,
    weight_decay=0.0,
    augmentation="none",
)


def train_autoencoder(
    classifier: Classifier,
    train: ImageSet,
    layer: str = "input",
    design: Design | str = "ae",
    *,
    out: str | Path,
    validation: ImageSet | None = None,
    settings: TrainingSettings = SETTINGS,
    dtype: str = "float32",
    batch_size: int = 256,
    tensorboard: bool = True,
    watchers: Sequence[Watcher] = (),
    default_latent: bool = False,
) -> tuple[Autoencoder, Origin]:
    """Train an autoencoder of a classifier's representations, or go on where it was stopped.

    The representations are collected once, as memory maps in `out`; the same call continues after
    the last finished epoch and ends with the same weights, bit for bit, on one CPU.

    Args:
        classifier: on the device to train on.
        train: images whose representations are learnt.
        layer: name of the layer; `input` is the image itself.
        design: what the autoencoder is to be, or a kind (see `autoencoders.designs.Design`), whose
            default latent has as many numbers as principal components need to explain nine tenths
            of the variance.
        out: folder for `representations/`, `model.safetensors`, `metrics.csv`, `training.pt`.
        validation: images to look at after each epoch; by default a tenth of `train` is held out.
        settings: of the training.
        dtype: of the collected representations: float32, or float16 at half the size.
        batch_size: images in a forward pass of the classifier.
        tensorboard: write the epochs for TensorBoard, too, into `out`/tensorboard; at the input
            with a few images and their reconstructions.
        watchers: told of each step and epoch.
        default_latent: give a design the default latent of its kind in place of its own.

    Returns:
        The autoencoder, frozen and in eval mode, and of what it is: what `load_autoencoder` gives
        for `out`/model.safetensors.

    Raises:
        InputError: an unknown layer or kind, too few images, a folder of another training.
    """
    layer, out = resolve_layer(classifier, layer), Path(out)
    wanted = Design(design) if isinstance(design, str) else design
    if validation is None:
        train, validation = hold_out(train)
    rows, held_out = (
        collect(
            classifier,
            images,
            [layer],
            folder=out / "representations" / name,
            dtype=dtype,
            logits=False,
            batch_size=batch_size,
        )[layer]
        for name, images in (("train", train), ("validation", validation))
    )
    found = moments(rows, batch_size=batch_size)
    if isinstance(design, str) or default_latent:
        (count,) = components_for(rows, found, (SHARE,))
        wanted = with_default_latent(wanted, found.mean.shape, count)
    device = next(classifier.parameters()).device
    with seeded(settings.seed, "autoencoder weights", device):
        autoencoder = Autoencoder(wanted, found).to(device)
    origin = Origin.of(classifier, layer, train)
    if tensorboard:
        shown = Reconstructions(out / "tensorboard", autoencoder, held_out, layer)
        watchers = [*watchers, shown]
    done = fit(autoencoder, rows, held_out, settings, out, origin, watchers)
    return load_autoencoder(done.model, device)


def with_default_latent(design: Design, shape: Sequence[int], components: int) -> Design:
    """Return a design with the default latent of its kind for a layer.

    Args:
        design: whose latent is to be replaced.
        shape: of a representation.
        components: how many principal components explain `SHARE` of its variance.
    """
    latent = {
        "vqvae": CODE_CHANNELS,
        "fsq": CODE_CHANNELS,
        "sae": DICTIONARY * int(shape[0]),
    }.get(design.kind, min(components, MOST_LATENT, int(np.prod(shape))))
    active = min(design.active, latent) if design.kind == "sae" else design.active
    return replace(design, latent=latent, active=active)
