"""A small classifier of digits, and moves of two of its layers that need no training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from autoencoders.augment import AutoencoderMove
from autoencoders.designs import Design
from autoencoders.model import Autoencoder
from core.data import ImageSet, load_images
from core.models import Classifier
from core.representations import Moments
from core.training.seeding import seeded


@pytest.fixture(scope="session")
def digits() -> tuple[ImageSet, ImageSet]:
    """Return some digits to train on and some to look at."""
    return load_images("digits", split="train").subset(96), load_images("digits").subset(20)


@pytest.fixture
def build() -> Callable[..., Classifier]:
    """Return a function that makes the same untrained classifier each time."""

    def built() -> Classifier:
        with seeded(0, "test"):
            network = nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(4),
                nn.Flatten(),
                nn.Dropout(0.2),
                nn.Linear(16, 10),
            )
        names = tuple(str(digit) for digit in range(10))
        return Classifier(network, spec="test", num_classes=10, class_names=names, in_channels=1)

    return built


@pytest.fixture(scope="session")
def move() -> Callable[[str], AutoencoderMove]:
    """Return a function from a layer (`input` or `4`) to a move of it."""

    def made(layer: str) -> AutoencoderMove:
        shape = {"input": (1, 8, 8), "4": (16,)}[layer]
        with seeded(1, "weights"):
            moments = Moments(5, np.full(shape, 0.4), np.full(shape, 0.04))
            autoencoder = Autoencoder(Design("ae", latent=3, width=8), moments)
        autoencoder.eval().requires_grad_(False)
        return AutoencoderMove(autoencoder, torch.ones(3), 0.5, box=layer == "input")

    return made
