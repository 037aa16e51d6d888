"""The two image sets of a training run: one to learn from, one to look at."""

from __future__ import annotations

import numpy as np

from core.data import ImageSet, load_images
from core.errors import InputError
from core.studies.logs import LOGGER

HELD_OUT = 10
"""Where there is one split alone, one image in this many is held out for validation."""


def training_splits(
    spec: str, *, size: int | None = None, skip_unreadable: bool = False
) -> tuple[ImageSet, ImageSet]:
    """Return the training and the validation images of a data spec.

    The validation images are the evaluation split. Images without one are divided: a tenth, the
    same number of each class as far as possible, is held out, always the same images.

    Raises:
        InputError: the images cannot be loaded, or there are none to train on.
    """
    validation = load_images(spec, size=size, skip_unreadable=skip_unreadable)
    if validation.split not in ("train", "all"):
        train = load_images(spec, split="train", size=size, skip_unreadable=skip_unreadable)
        return train, validation
    return hold_out(validation)


def hold_out(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Divide an image set into nine tenths and one tenth, at least one image of each class."""
    n = max(len(images.class_names), len(images) // HELD_OUT)
    if n >= len(images):
        raise InputError(
            f"--data: {len(images)} images of {len(images.class_names)} classes are too few to hold"
            " some out for validation."
        )
    validation = images.subset(n)
    train = images.take(~np.isin(images.ids, validation.ids))
    LOGGER.info(
        "%s has one split: %d of its %d images are held out for validation",
        images.spec,
        len(validation),
        len(images),
    )
    return train, validation
