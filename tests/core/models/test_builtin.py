"""The built-in networks are as cheap as they say, and take other images where they say so."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from core.models import build_network


@pytest.mark.parametrize(
    ("spec", "millions"),
    [
        ("digits_convnet", 0.14),
        ("digits_mlp", 0.04),
        ("digits_residual", 0.67),
        ("digits_patches", 0.31),
    ],
)
def test_multiplications_per_image_are_as_documented(spec: str, millions: float) -> None:
    network = build_network(spec, num_classes=10).eval()
    with FlopCounterMode(display=False) as counter:
        assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert counter.get_total_flops() / 2 / 2 / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize("spec", ["digits_convnet", "digits_residual"])
def test_convolutional_nets_take_any_size_from_four_pixels_on(spec: str) -> None:
    network = build_network(spec, num_classes=3, in_channels=3).eval()
    for size in ((4, 4), (9, 14), (64, 64)):
        assert network(torch.zeros(1, 3, *size)).shape == (1, 3)
