"""One group of examples in one latent space: what each detector says, and where each lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from autoencoders.explore.space import Space
from autoencoders.latents.prediction_change import jensen_shannon
from autoencoders.quality.splicing import logits_with
from core.layers import capture_all
from core.losses import cross_entropy
from core.models import Classifier, evaluating

DETECTORS = {
    "error": "reconstruction error",
    "surprise": "minus log density",
    "change": "prediction change",
}
"""Numbers that are meant to be larger for what is not genuine, by column: MagNet's, and density."""
BASELINE = "uncertainty"
"""The trivial detector: the cross-entropy of the predicted class, minus its log probability."""


def measured(
    space: Space,
    classifier: Classifier,
    layer: str,
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
    *,
    batch_size: int,
) -> pd.DataFrame:
    """Return one row per image.

    Args:
        space: the latent space.
        classifier: on the device of the images.
        layer: of which the space is.
        images: `(n, c, h, w)`.
        labels: `(n,)` the true classes.
        ids: of the examples.
        batch_size: images in one pass.

    Cost: two forward passes per image.
    """
    parts = []
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        parts.append(_batch(space, classifier, layer, images[rows], labels[rows], ids[rows]))
    return pd.concat(parts, ignore_index=True)


def _batch(
    space: Space,
    classifier: Classifier,
    layer: str,
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
) -> pd.DataFrame:
    with torch.no_grad(), evaluating(classifier):
        found, logits = capture_all(classifier, [layer], images)
        rows = found[layer]
        latents = space.autoencoder.encode(rows)
        guesses = space.autoencoder.decode(latents)
        spliced = logits_with(classifier, layer, guesses, images)
        error = (guesses - rows).flatten(1).double().norm(dim=1)
        coordinates = space.coordinates(latents)
        predicted, again = logits.argmax(1), spliced.argmax(1)
        columns = {
            "label": labels,
            "prediction": predicted,
            "confidence": logits.double().softmax(1).amax(1),
            BASELINE: cross_entropy(logits.double(), predicted),
            "error": error,
            "surprise": -space.density.log_density(coordinates),
            "change": jensen_shannon(logits, spliced),
            "spliced_prediction": again,
            "spliced_right": again == labels,
        }
    table = pd.DataFrame({name: value.cpu().numpy() for name, value in columns.items()})
    table.insert(0, "id", list(ids))
    return table.assign(z=list(coordinates.numpy().astype(np.float32)))
