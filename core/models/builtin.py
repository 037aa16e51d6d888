"""The four small networks of the embedded default, for 8 x 8 digits, each of another architecture.

`digits_convnet` and `digits_mlp` are piecewise linear; `digits_residual` and `digits_patches` are
smooth.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def digits_convnet(num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    """Return a convolutional network with batch normalisation and max-pooling.

    It takes images of any size from 4 x 4 on; 0.14 million multiplications for one of 1 x 8 x 8.
    """

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *block(in_channels, 16),
        nn.MaxPool2d(2),
        *block(16, 32),
        nn.MaxPool2d(2),
        *block(32, 48),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 48, num_classes),
    )


def digits_mlp(num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    """Return a perceptron with two hidden layers, for 8 x 8 pixels only; 0.04 million products."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(in_channels * 64, 160),
        nn.BatchNorm1d(160),
        nn.ReLU(),
        nn.Linear(160, 160),
        nn.BatchNorm1d(160),
        nn.ReLU(),
        nn.Linear(160, num_classes),
    )


class _Residual(nn.Module):
    """`x + f(x)` for a branch `f`."""

    def __init__(self, *branch: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class _Transposed(nn.Module):
    """A layer along the patches, `(n, patches, width)`, instead of along the channels."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.transpose(1, 2)).transpose(1, 2)


class _Patches(nn.Module):
    """Patches of 2 x 2 pixels, each embedded with its place: `(n, patches, width)`."""

    def __init__(self, in_channels: int, width: int, patches: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(in_channels, width, 2, stride=2)
        self.place = nn.Parameter(0.02 * torch.randn(patches, width))

    def forward(self, images: Tensor) -> Tensor:
        return self.embed(images).flatten(2).transpose(1, 2) + self.place


def digits_residual(num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    """Return a residual network with strides, GELU and average pooling, no max-pooling.

    It takes images of any size from 4 x 4 on; 0.67 million multiplications for one of 1 x 8 x 8.
    """

    def block(width: int) -> nn.Module:
        return _Residual(
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        )

    return nn.Sequential(
        nn.Conv2d(in_channels, 16, 3, padding=1, bias=False),
        block(16),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        block(32),
        nn.BatchNorm2d(32),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 32, num_classes),
    )


def digits_patches(num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    """Return a mixer: patches of 2 x 2 pixels, mixed in turn with one another and within.

    For 8 x 8 pixels only; 0.31 million products. Tolstikhin et al. 2021, "MLP-Mixer".
    """
    width, patches = 48, 16

    def mix(inputs: int, hidden: int) -> nn.Module:
        return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, inputs))

    def block() -> list[nn.Module]:
        return [
            _Residual(nn.LayerNorm(width), _Transposed(mix(patches, 32))),
            _Residual(nn.LayerNorm(width), mix(width, 64)),
        ]

    return nn.Sequential(
        _Patches(in_channels, width, patches),
        *block(),
        *block(),
        nn.LayerNorm(width),
        nn.Flatten(),
        nn.Linear(patches * width, num_classes),
    )


BUILT_IN = {
    "digits_convnet": digits_convnet,
    "digits_mlp": digits_mlp,
    "digits_residual": digits_residual,
    "digits_patches": digits_patches,
}
