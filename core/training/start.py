"""What a training run starts from: seeded new weights, or a checkpoint to fine-tune."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.data import ImageSet
from core.errors import InputError
from core.models import Classifier, build_network, load_classifier, parse_normalisation
from core.studies.logs import LOGGER
from core.training.seeding import seeded


def new_classifier(
    model: str,
    images: ImageSet,
    *,
    normalisation: str | None = None,
    stem: str | None = None,
    seed: int = 0,
) -> Classifier:
    """Return an untrained classifier for the classes and channels of an image set.

    The same seed gives the same weights; torch's global generators stay as they are.
    """
    with seeded(seed, "weights"):
        network = build_network(
            model, num_classes=len(images.class_names), stem=stem, in_channels=images.shape[0]
        )
    return _for_images(
        network, model, images, normalisation=parse_normalisation(normalisation), stem=stem
    )


def from_checkpoint(
    model: str,
    images: ImageSet,
    checkpoint: str,
    *,
    normalisation: str | None = None,
    stem: str | None = None,
    seed: int = 0,
) -> Classifier:
    """Return the classifier of a checkpoint, with a new last layer where the classes differ.

    A layer with one output per class starts anew where the checkpoint has another number of
    classes; everything else starts with the checkpoint's weights.

    Raises:
        InputError: the checkpoint does not fit the model, the options or the images.
    """
    with seeded(seed, "weights"):
        loaded = load_classifier(
            model, checkpoint=checkpoint, normalisation=normalisation, stem=stem
        )
    fresh = new_classifier(
        model, images, normalisation=normalisation, stem=loaded.stem, seed=seed
    ).network
    anew = _adopt(fresh, loaded.network.state_dict())
    if anew:
        LOGGER.info(
            "%s: %s start anew for the %d classes of the images",
            checkpoint,
            ", ".join(anew),
            len(images.class_names),
        )
    elif loaded.class_names not in (None, images.class_names):
        LOGGER.warning("%s: its class names are not those of the images", checkpoint)
    return _for_images(fresh, model, images, normalisation=loaded.normalisation, stem=loaded.stem)


def _for_images(network: nn.Module, model: str, images: ImageSet, **options: object) -> Classifier:
    return Classifier(
        network,
        spec=model,
        class_names=images.class_names,
        num_classes=len(images.class_names),
        in_channels=images.shape[0],
        **options,
    )


def _adopt(network: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Copy the weights that fit; return the names of those that have one row for each class."""
    anew: list[str] = []
    with torch.no_grad():
        for name, own in network.state_dict().items():
            given = weights[name]
            if given.shape == own.shape:
                own.copy_(given)
            elif given.shape[1:] == own.shape[1:]:
                anew.append(name)
            else:
                raise InputError(
                    f"--checkpoint: {name} is {tuple(given.shape)}, and the images need"
                    f" {tuple(own.shape)}."
                )
    return anew
