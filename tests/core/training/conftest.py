"""Small image sets and untrained classifiers for the tests of training."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from core.data import ImageSet, load_images
from core.models import Classifier
from core.training.seeding import seeded


@pytest.fixture(scope="session")
def digits() -> Callable[[int, int], tuple[ImageSet, ImageSet]]:
    """Return a function from two numbers of images to subsets of the digits."""
    splits = load_images("digits", split="train"), load_images("digits", split="test")
    return lambda train, validation: (splits[0].subset(train), splits[1].subset(validation))


@pytest.fixture
def untrained() -> Callable[..., Classifier]:
    """Return a function from a seed to a small untrained classifier of digits."""

    def build(seed: int = 0) -> Classifier:
        with seeded(seed, "test"):
            network = nn.Sequential(
                nn.Conv2d(1, 8, 3, padding=1),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.MaxPool2d(4),
                nn.Flatten(),
                nn.Dropout(0.2),
                nn.Linear(32, 10),
            )
        names = tuple(str(digit) for digit in range(10))
        return Classifier(network, spec="test", num_classes=10, class_names=names, in_channels=1)

    return build
