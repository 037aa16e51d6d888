"""A trained classifier, judged on images it has not seen: a row per image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from attacks import craft, verify
from attacks.verified_rows import SUCCESS
from autoencoders.augment.sharpness import sharpness
from autoencoders.model import Autoencoder
from autoencoders.quality.variance import explained_variance
from core.data import ImageSet
from core.layers import capture
from core.models import Classifier, evaluating


def judged(
    classifier: Classifier,
    images: ImageSet,
    recipes: Sequence[str],
    *,
    radius: float,
    draws: int,
    seed: int,
    batch_size: int,
) -> pd.DataFrame:
    """Return what is measured of a classifier, image by image.

    Args:
        classifier: on the device to compute on.
        images: to judge on.
        recipes: attacks within a radius.
        radius: l2 length of the noise, in input units.
        draws: of the noise.
        seed: of attacks and noise; with an image's id it names their random numbers.
        batch_size: images in a forward pass.

    Returns:
        Columns id, label, right, `robust0`, `robust1`, ... (right, and no verified success of the
        recipe), `unverified0`, ... (claimed by the attack, not confirmed), loss, gradient, slope,
        rise (see `sharpness`).
    """
    device = next(classifier.parameters()).device
    x, labels = images.tensors(device=device)
    ids = [str(name) for name in images.ids]
    table = pd.DataFrame({"id": ids, "label": labels.cpu().numpy()})
    for number, recipe in enumerate(recipes):
        made = craft(classifier, x, labels, recipe, seed=seed, ids=ids, batch_size=batch_size)
        seen = verify(
            classifier, x, made.images.to(x), labels, recipe, ids=ids, batch_size=batch_size
        )
        fooled = (seen["status"] == SUCCESS).to_numpy()
        right = seen["clean_correct"].to_numpy()
        table["right"] = right
        table[f"robust{number}"] = right & ~fooled
        table[f"unverified{number}"] = made.success.cpu().numpy() & ~fooled
    measured = sharpness(
        classifier, x, labels, radius, draws=draws, seed=seed, ids=ids, batch_size=batch_size
    )
    return table.assign(**{name: values.numpy() for name, values in measured.items()})


def still_explained(
    autoencoder: Autoencoder,
    classifier: Classifier,
    layer: str,
    images: ImageSet,
    *,
    batch_size: int,
) -> float:
    """Return how much an autoencoder explains of a classifier's representations of images.

    About the mean of the representations it was trained on: of a classifier whose layer has come to
    mean something else, it explains little, or less than nothing.
    """
    device = next(classifier.parameters()).device

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for x, labels in images.batches(batch_size, device=device):
            rows = capture(classifier, [layer], x)[layer]
            yield rows.cpu().numpy(), autoencoder(rows).cpu().numpy(), labels.cpu().numpy()

    mean = autoencoder.standardise.mean.cpu().numpy().astype(np.float64)
    with torch.no_grad(), evaluating(classifier):
        return explained_variance(batches(), mean, images.num_classes).overall
