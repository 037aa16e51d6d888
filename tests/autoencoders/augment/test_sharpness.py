"""Slopes and rises are those of losses known in closed form, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autoencoders.augment.sharpness import sharpness
from core.models import load_classifier


class Bowl(nn.Module):
    """Logits `(c |x - m|^2, 0)`: at equal logits and small steps the loss is known."""

    def __init__(self, curvature: float) -> None:
        super().__init__()
        self.curvature = curvature

    def forward(self, images: Tensor) -> Tensor:
        height = self.curvature * (images - 0.5).flatten(1).square().sum(1)
        return torch.stack([height, torch.zeros_like(height)], 1)


def test_the_rise_on_a_sphere_around_the_bottom_of_a_bowl_is_that_of_its_height() -> None:
    images = torch.full((3, 1, 4, 4), 0.5, dtype=torch.float64)
    labels = torch.ones(3, dtype=torch.int64)
    found = sharpness(Bowl(2.0).double(), images, labels, 0.3, draws=4, ids=["a", "b", "c"])
    expected = np.log1p(np.exp(2.0 * 0.3**2)) - np.log(2)
    np.testing.assert_allclose(found["rise"], expected, rtol=1e-6)
    np.testing.assert_allclose(found["gradient"], 0, atol=1e-12)
    np.testing.assert_allclose(found["loss"], np.log(2))


@pytest.mark.parametrize("offset", [0.0, 3.0, 60.0])
def test_gradient_and_slope_of_a_linear_classifier_are_known_at_any_confidence(offset) -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).double()
    with torch.no_grad():
        linear[1].weight.zero_()
        linear[1].weight[0, :2] = torch.tensor([3.0, 4.0])
        linear[1].bias.copy_(torch.tensor([offset, 0.0]))
    images = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    found = sharpness(linear, images, torch.tensor([0]), 0.1, ids=["a"])
    wrong = 1 / (1 + np.exp(offset))
    np.testing.assert_allclose(found["slope"], 5.0)
    np.testing.assert_allclose(found["gradient"], 5.0 * wrong, rtol=1e-9)


def test_neither_batch_size_nor_companions_change_a_number(digits) -> None:
    classifier = load_classifier("digits_mlp")
    images, labels = digits[1].tensors()
    ids = [str(i) for i in digits[1].ids]
    whole = sharpness(classifier, images, labels, 0.5, draws=3, ids=ids)
    parts = sharpness(classifier, images, labels, 0.5, draws=3, ids=ids, batch_size=3)
    some = sharpness(classifier, images[5:9], labels[5:9], 0.5, draws=3, ids=ids[5:9])
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(some[name], values[5:9], rtol=1e-4, atol=1e-6)
