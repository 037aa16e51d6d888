"""Studies that learn from one part of the images and judge on another, at some layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from core.data import ImageSet
from core.errors import InputError
from core.layers import layer_table, resolve_layer
from core.models import Classifier, fingerprint
from core.options import split_list
from core.studies.classifier_study import ClassifierStudy
from core.training.splits import training_splits

TRAIN, VALIDATION = "train", "validation"
NONLINEAR = ("ReLU", "GELU", "SiLU", "BasicBlock", "Bottleneck", "InvertedResidual")
"""Types of the layers that the default ones are chosen from."""


@dataclass(frozen=True)
class SplitStudy(ClassifierStudy):
    """The settings of a study with images to learn from and others to judge on."""

    examples: int | None

    @cached_property
    def sets(self) -> dict[str, ImageSet]:
        """The images to train on and to judge on."""
        train, validation = training_splits(
            self.data, size=self.size, skip_unreadable=self.skip_unreadable
        )
        if self.split is not None:
            validation = self.all_images
            if validation.split == train.split:
                raise InputError(f"--split: {self.split} is what is trained on.")
        if self.examples is not None:
            train = train.subset(min(self.examples, len(train)), seed=self.seed)
        return {TRAIN: train, VALIDATION: validation}

    def identity(self) -> dict[str, str]:
        """Return what classifier and images contain."""
        known = {f"{name} images": images.fingerprint for name, images in self.sets.items()}
        return {"classifier": fingerprint(self.classifier), **known}

    def chosen_layers(self, given: Sequence[str] | str | None) -> tuple[str, ...]:
        """Return the layers' own names; by default the input and two that share out the depth."""
        names = split_list(given, "--layers")
        if names:
            return tuple(dict.fromkeys(resolve_layer(self.classifier, name) for name in names))
        image, _ = self.sets[VALIDATION].tensors([0], device=self.device)
        inner = inner_layers(self.classifier, image)
        picked = [inner[len(inner) // 3], inner[(2 * len(inner)) // 3]] if len(inner) > 1 else inner
        return tuple(dict.fromkeys(["input", *picked]))


def inner_layers(classifier: Classifier, image: Tensor) -> list[str]:
    """Return the layers that default ones are chosen from, in the order of the forward pass.

    Those that end a nonlinear step and give a vector or a map; without any, all layers inside.
    """
    table = layer_table(classifier, image)
    nonlinear = [
        row.name
        for row in table
        if row.type in NONLINEAR and row.shape is not None and len(row.shape) in (1, 3)
    ]
    return nonlinear or [row.name for row in table[1:-1] if row.shape is not None]
