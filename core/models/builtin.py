"""The two small networks of the embedded default, both piecewise linear, for 8 x 8 digits."""

from __future__ import annotations

from torch import nn


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


BUILT_IN = {"digits_convnet": digits_convnet, "digits_mlp": digits_mlp}
