"""What the studies of classifiers on one image set have in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

from core.data import ImageSet, load_images
from core.models import Classifier, check_images, fingerprint, load_classifier


@dataclass(frozen=True)
class ImageStudy:
    """The settings that name an image set, and how it is computed on; loaded once per process.

    A study adds its own settings as fields, and the methods of `core.studies.Study`.
    """

    data: str
    split: str | None
    size: int | None
    skip_unreadable: bool
    batch_size: int
    device: str
    threads: int
    seed: int

    def __getstate__(self) -> dict[str, Any]:
        """Send settings alone to another process; it loads classifiers and images itself."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def settings(self) -> dict[str, Any]:
        """Return the settings as the command takes them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @cached_property
    def all_images(self) -> ImageSet:
        """The whole split, of which a study takes a subset."""
        return load_images(
            self.data, split=self.split, size=self.size, skip_unreadable=self.skip_unreadable
        )


@dataclass(frozen=True)
class ClassifierStudy(ImageStudy):
    """The settings that name a classifier, too."""

    model: str
    checkpoint: str | None
    normalisation: str | None
    stem: str | None

    def identity(self) -> dict[str, str]:
        """Return what the files behind the settings contain, so that a resume notices a change."""
        return {"classifier": fingerprint(self.classifier), "images": self.all_images.fingerprint}

    @cached_property
    def classifier(self) -> Classifier:
        """The classifier under study, checked against the images."""
        classifier = load_classifier(
            self.model,
            checkpoint=self.checkpoint,
            normalisation=self.normalisation,
            stem=self.stem,
            device=self.device,
        )
        images = self.all_images
        check_images(classifier, images.shape, len(images.class_names), images.class_names)
        return classifier
