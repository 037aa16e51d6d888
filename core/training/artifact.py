"""A trained classifier as a file that `load_classifier` needs no option for."""

from __future__ import annotations

from pathlib import Path

from core.models import Classifier, save_checkpoint


def save_classifier(path: Path, classifier: Classifier) -> Path:
    """Write weights, spec, stem, channels, normalisation and class names, as safetensors.

    Raises:
        InputError: the disk is full.
    """
    return save_checkpoint(
        path,
        classifier.network,
        spec=classifier.spec,
        num_classes=classifier.num_classes,
        normalisation=classifier.normalisation,
        class_names=classifier.class_names,
        stem=classifier.stem,
        in_channels=classifier.channels,
    )
