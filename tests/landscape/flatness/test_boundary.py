from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from attacks import craft
from core.data import load_images
from core.errors import InputError
from core.models import load_classifier
from landscape.flatness.boundary import boundary_distance


def linear(classes: int, seed: int, spread: float = 1.0) -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, classes)).double()
    generator = torch.Generator().manual_seed(seed)
    for weight in net.parameters():
        drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        weight.requires_grad_(False).copy_(spread * drawn)
    return net.eval()


def exact(net: nn.Module, images: Tensor, norm: str) -> Tensor:
    """Distance to the nearest hyperplane between the predicted and another class, without a box."""
    logits, weight = net(images), net[1].weight
    best = logits.argmax(1)
    lead = logits.gather(1, best[:, None]) - logits
    normals = weight[best][:, None] - weight
    dual = normals.norm(dim=2) if norm == "l2" else normals.abs().sum(2)
    return torch.where(dual > 0, lead / dual, torch.inf).amin(1)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize(("classes", "steps"), [(2, 20), (5, 60)])
def test_of_a_linear_classifier_it_is_the_distance_of_the_nearest_hyperplane(
    norm: str, classes: int, steps: int
) -> None:
    net = linear(classes, seed=1)
    net[1].bias.mul_(0.01)
    net[1].bias -= net[1].weight.sum(1) / 2  # at grey all classes tie: boundaries are near
    images = 0.5 + 0.02 * torch.randn(
        30, 3, 2, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    found = boundary_distance(net, images, norm=norm, steps=steps)
    expected = exact(net, images, norm)
    assert (expected < 0.3).all(), "the box would matter"
    torch.testing.assert_close(found.distance, expected, rtol=1e-3, atol=1e-9)
    assert (found.rivals != net(images).argmax(1)).all()


def test_where_the_box_stops_pixels_the_distance_is_longer_by_what_the_others_must_do() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).double().requires_grad_(False)
    net[1].weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 0.0]]))
    images = torch.tensor([[[[1.0, 0.0]]], [[[0.9, 0.0]]]]).double()
    found = boundary_distance(net, images, steps=20).distance
    torch.testing.assert_close(
        found, torch.tensor([0.5, 0.45]).double() * 2**0.5, rtol=1e-3, atol=0
    )


def test_an_adversarial_image_is_measured_from_the_class_it_is_taken_for() -> None:
    net = linear(3, seed=4)
    net[1].bias -= net[1].weight.sum(1) / 2
    images = 0.5 + 0.05 * torch.randn(
        20, 3, 2, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64
    )
    labels = net(images).argmax(1)
    pushed = craft(net, images, labels, "pgd(norm=l2, eps=0.5, steps=10, stop=false)")
    fooled = pushed.images[pushed.success]
    assert len(fooled) >= 10
    found = boundary_distance(net, fooled, steps=60)
    torch.testing.assert_close(found.distance, exact(net, fooled, "l2"), rtol=2e-3, atol=1e-9)


def test_minimum_norm_examples_lie_on_the_boundary_by_construction() -> None:
    net = linear(3, seed=4)
    net[1].bias -= net[1].weight.sum(1) / 2
    images = 0.5 + 0.05 * torch.randn(
        20, 3, 2, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64
    )
    crafted = craft(net, images, net(images).argmax(1), "minnorm(steps=60)")
    length = (crafted.images - images).flatten(1).norm(dim=1)
    found = boundary_distance(net, crafted.images, steps=20).distance
    assert (found <= 0.01 * length).all()


def test_where_nothing_changes_the_prediction_the_distance_is_missing_and_says_so() -> None:
    net = linear(2, seed=0, spread=0.0)
    net[1].bias.copy_(torch.tensor([1.0, 0.0]))
    found = boundary_distance(net, torch.rand(3, 3, 2, 2).double(), steps=20)
    assert found.distance.isnan().all()


def test_every_pass_is_counted_and_no_image_is_none() -> None:
    net = linear(3, seed=4)
    rows = 0

    def count(_: nn.Module, given: tuple[Tensor]) -> None:
        nonlocal rows
        rows += len(given[0])

    images = torch.rand(5, 3, 2, 2).double()
    handle = net.register_forward_pre_hook(count)
    found = boundary_distance(net, images, steps=25)
    handle.remove()
    assert rows == int(found.passes.sum())
    assert (found.passes <= 27).all()
    assert len(boundary_distance(net, images[:0], steps=25).distance) == 0


@pytest.mark.slow
def test_on_digits_thirty_steps_come_as_near_as_the_docstring_says() -> None:
    classifier, digits = load_classifier("digits_convnet"), load_images("digits")
    images, _ = digits.subset(200, seed=0).tensors(range(200))
    few, many = (boundary_distance(classifier, images, steps=s).distance for s in (30, 300))
    assert few.isfinite().all()
    ratio = few / many
    assert ratio.median() < 1.002
    assert ratio.quantile(0.9) < 1.025


def test_bad_input_is_one_sentence() -> None:
    net = linear(2, seed=0)
    with pytest.raises(InputError, match="--boundary_norm"):
        boundary_distance(net, torch.rand(1, 3, 2, 2).double(), norm="l3")
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        boundary_distance(net, torch.full((1, 3, 2, 2), 2.0).double())
    with pytest.raises(InputError, match="steps"):
        boundary_distance(net, torch.rand(1, 3, 2, 2).double(), steps=0)
