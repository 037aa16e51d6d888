from __future__ import annotations

import pytest
import torch
from torch import nn

from attacks import craft
from attacks.norms import lengths

NORMS = pytest.mark.parametrize("norm", ["l2", "linf"])


def net_and_images() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5)).double().eval()
        images = torch.rand(12, 20, dtype=torch.float64)
    return model, images, model(images).argmax(1)


@NORMS
@pytest.mark.parametrize("steps", [12, 40])
def test_without_any_noise_it_is_the_plain_walk(norm, steps):
    model, images, labels = net_and_images()
    plain = craft(model, images, labels, f"minnorm(norm={norm}, steps={steps})")
    recipe = f"minnorm(norm={norm}, steps={steps}, noisy=gaussian, noise_scale=0)"
    noisy = craft(model, images, labels, recipe)
    torch.testing.assert_close(noisy.images, plain.images, rtol=0, atol=1e-12)


@NORMS
def test_the_reference_judges_and_only_the_gradient_is_noisy(norm):
    model, images, labels = net_and_images()
    plain = craft(model, images, labels, f"minnorm(norm={norm})")
    crafted = craft(model, images, labels, f"minnorm(norm={norm}, noisy=gaussian)")
    assert crafted.success.all()
    assert (model(crafted.images).argmax(1) != labels).all()
    assert not torch.equal(crafted.images, plain.images)
    ratio = lengths(crafted.images - images, norm) / lengths(plain.images - images, norm)
    # The radius follows the reference: a hair nearer to the image the label is the old one again.
    nearer = images + 0.98 * (crafted.images - images)
    assert (model(nearer).argmax(1) == labels).double().mean() > 0.9
    assert 0.99 < ratio.median() < 1.3


@NORMS
def test_each_point_costs_a_pass_of_the_noisy_classifier_and_one_of_the_reference(norm):
    model, images, labels = net_and_images()
    crafted = craft(model, images, labels, f"minnorm(norm={norm}, steps=12, noisy=filter)")
    # The clean one, the reference at the image and 12 points, a gradient at all but the last.
    assert crafted.forwards.unique().tolist() == [1 + 13 + 12]
    assert crafted.backwards.unique().tolist() == [12]
