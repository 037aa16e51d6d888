"""A small classifier with what a real one has, and images for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


def net(shape: tuple[int, ...] = (1, 6, 6), classes: int = 10, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        width = int(np.prod(shape))
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(width, 24),
            nn.BatchNorm1d(24),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(24, classes, bias=False),
        ).double()


def data(model: nn.Module, n: int = 9, shape: tuple[int, ...] = (1, 6, 6), wrong: int = 1):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(n, *shape, generator=generator, dtype=torch.float64) * 2 - 0.5
    images = images.clamp(0, 1)
    frozen = model.training
    model.eval()
    with torch.no_grad():
        logits = model(images)
    model.train(frozen)
    labels = logits.argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % logits.shape[1]
    return images, labels
