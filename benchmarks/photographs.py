"""The trained classifier and the photographs that benchmarks run on where they lie."""

from __future__ import annotations

import os
from pathlib import Path

from core.data import ImageSet, load_images
from core.models import Classifier, load_classifier


def classifier_on_photographs(name: str) -> tuple[Classifier, ImageSet] | None:
    """Return a trained classifier and the validation images of the 20-class Tiny ImageNet.

    They are found by `INPUTSCAPE_CLASSIFIERS`, a folder with `NAME.safetensors`, and
    `INPUTSCAPE_TINY_IMAGENET`, the folder of the images; None where these are not set or the
    folder has no such classifier.
    """
    weights = os.environ.get("INPUTSCAPE_CLASSIFIERS")
    folder = os.environ.get("INPUTSCAPE_TINY_IMAGENET")
    if not weights or not folder:
        return None
    checkpoint = Path(weights) / f"{name}.safetensors"
    if not checkpoint.exists():
        return None
    images = load_images(folder)
    classifier = load_classifier(
        name,
        checkpoint=str(checkpoint),
        normalisation="imagenet",
        num_classes=images.num_classes,
    )
    return classifier, images


def resnet_on_photographs() -> tuple[Classifier, ImageSet] | None:
    """Return ResNet-18 and the photographs, see `classifier_on_photographs`."""
    return classifier_on_photographs("resnet18")
