"""What crafting returns, controls and bad arguments; hygiene is in `test_hygiene.py`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attacks import craft, craft_all, verify
from attacks.norms import lengths
from core.errors import InputError
from tests.attacks.nets import data, net


def test_one_image_alone_and_no_image_at_all():
    model = net()
    images, labels = data(model, n=1, wrong=0)
    assert len(craft(model, images, labels, "pgd(eps=0.1)")) == 1
    assert len(craft(model, images[:0], labels[:0], "pgd(eps=0.1)")) == 0


def test_a_control_reuses_the_recipe_it_is_like():
    model = net()
    images, labels = data(model)
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    attack, control = craft_all(model, images, labels, ["pgd(eps=0.1)", "noise(like=pgd(eps=0.1))"])
    together = len(calls)
    calls.clear()
    alone = craft(model, images, labels, "noise(like=pgd(eps=0.1))")
    assert len(calls) == together
    assert torch.equal(alone.images, control.images)
    assert torch.equal(alone.forwards, control.forwards)
    assert torch.equal(alone.radii, lengths(attack.images - images, "linf"))


@pytest.mark.parametrize(
    ("norm", "eps"), [("linf", 0.3), ("linf", 0.5), ("l2", 0.5), ("l2", 2.0), ("l1", 5)]
)
def test_noise_keeps_its_length_inside_the_box(norm, eps):
    model = net((3, 8, 8))
    images, labels = data(model, n=40, shape=(3, 8, 8), wrong=0)
    assert ((images == 0) | (images == 1)).float().mean() > 0.3
    crafted = craft(model, images, labels, f"noise(norm={norm}, eps={eps})")
    steps = crafted.images - images
    assert lengths(steps, norm) == pytest.approx(eps, abs=1e-9)
    assert ((crafted.images >= 0) & (crafted.images <= 1)).all()
    inner = (images > 0.5 - 1e-9) & (images < 0.5 + 0.2)
    ups = (steps[(images > 0.3) & (images < 0.7)] > 0).double().mean()
    assert inner.any()
    assert ups == pytest.approx(0.5, abs=0.06)
    if norm == "linf" and eps == 0.3:
        assert steps.abs() == pytest.approx(0.3, abs=1e-12)


def test_noise_that_the_box_has_no_room_for_is_reported():
    model = net((4,))
    images = torch.full((3, 4), 0.5, dtype=torch.float64)
    labels = model.eval()(images).argmax(1)
    crafted = craft(model, images, labels, "noise(norm=l2, eps=1.5)")
    assert lengths(crafted.images - images, "l2") == pytest.approx(1.0)
    table = verify(model, images, crafted.images, labels, "noise(norm=l2, eps=1.5)")
    assert table.status.tolist() == ["wrong length"] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.full((4, 1, 6, 6), 1.5)}, r"images: expected values in \[0, 1\]"),
        ({"images": torch.full((4, 1, 6, 6), float("nan"))}, "images: some values are not finite"),
        ({"images": torch.zeros(4, 1, 6, 6, dtype=torch.uint8)}, "images: expected floats"),
        ({"labels": torch.tensor([0, 1])}, "labels: expected one class for each of 4 images"),
        ({"labels": torch.tensor([0, 1, 2, 10])}, "labels: class 10 is beyond .* 10 classes"),
        ({"labels": torch.tensor([0, 1, 2, -1])}, "labels: a class cannot be negative"),
        ({"labels": torch.tensor([0.0, 1, 2, 3])}, "labels: expected integers"),
        ({"ids": ["a", "b", "c"]}, "ids: expected one for each of 4 images, found 3"),
        ({"ids": ["a", "b", "a", "c"]}, "ids: 'a' names more than one image"),
        ({"batch_size": 0}, "--batch_size: must be at least 1"),
        ({"recipe": "pgd(eps=0)"}, "--attacks: eps of pgd"),
        (
            {"recipe": "pgd(eps=0.1, targeted=true)", "targets": torch.tensor([0, 1, 2, 3])},
            "targets: the target of '0' is its own label",
        ),
        ({"classifier": nn.Flatten(0)}, r"--model: expected logits of shape \(4, k\)"),
    ],
)
def test_bad_arguments_are_named(change, message):
    model = net().float()
    arguments = {
        "classifier": model,
        "images": torch.full((4, 1, 6, 6), 0.5),
        "labels": torch.arange(4),
        "recipe": "pgd(eps=0.1)",
        **change,
    }
    with pytest.raises(InputError, match=message):
        craft(**arguments)


def test_a_classifier_that_is_not_finite_or_not_differentiable_is_refused_by_name():
    images, labels = torch.full((3, 4), 0.5), torch.zeros(3, dtype=torch.int64)

    class Broken(nn.Module):
        def forward(self, x):
            logits = torch.stack([x.sum(1), -x.sum(1)], 1)
            return torch.where(torch.arange(len(x))[:, None] == 1, torch.nan, logits)

    class Hard(nn.Module):
        def forward(self, x):
            return torch.stack([x.sum(1), -x.sum(1)], 1).detach()

    with pytest.raises(InputError, match="non-finite logits for the image 'b'"):
        craft(Broken(), images, labels, "pgd(eps=0.1)", ids=["a", "b", "c"])
    with pytest.raises(InputError, match="not a differentiable function"):
        craft(Hard(), images, labels, "pgd(eps=0.1)")


def test_what_was_crafted_introduces_itself_in_one_line():
    model = net()
    images, labels = data(model, n=4)
    made = craft(model, images, labels, "noise(eps=0.01)")
    assert repr(made).startswith("Crafted(noise(norm=linf, eps=0.01): ")
    assert "of 3 fooled, 4 images, 1.8 forward passes each" in repr(made)
    assert "of 0 fooled, 0 images, 0.0" in repr(craft(model, images[:0], labels[:0], "minnorm"))
