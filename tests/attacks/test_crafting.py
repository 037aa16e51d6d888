"""Hygiene: every recipe, on every kind of input, leaves the world as it was."""

from __future__ import annotations

import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from attacks import craft, craft_all, verify
from attacks.norms import lengths
from core.errors import InputError

RECIPES = [
    "fgsm(eps=0.1)",
    "fgsm(norm=l2, eps=0.5)",
    "pgd(eps=0.1, steps=6)",
    "pgd(norm=l2, eps=0.5, steps=6, restarts=2)",
    "pgd(eps=0.1, steps=6, stop=false, objective=margin)",
    "pgd(norm=l2, eps=0.5, steps=6, random_start=false, objective=log_probability)",
    "pgd(eps=0.1, steps=6, targeted=true)",
    "pgd(eps=0.1, steps=6, schedule=cosine, momentum=0.5, patience=3)",
    "pgd(norm=l2, eps=0.5, steps=6, restarts=2, schedule=cosine, momentum=0.9, stop=false)",
    "fgsm(eps=0.1, noisy=filter)",
    "pgd(eps=0.1, steps=6, noisy=gaussian)",
    "pgd(norm=l2, eps=0.5, steps=6, restarts=2, noisy=filter, noise_scale=0.3, stop=true)",
    "pgd(eps=0.1, steps=6, noisy=dropout, schedule=cosine, momentum=0.9, random_start=false)",
    "pgd(eps=0.1, steps=6, targeted=true, noisy=gaussian, objective=margin)",
    "apgd(eps=0.1, steps=6)",
    "apgd(norm=l2, eps=0.5, steps=6, restarts=2, objective=dlr)",
    "apgd(eps=0.1, steps=6, objective=dlr, targeted=true)",
    "apgd(eps=0.1, steps=6, noisy=gaussian)",
    "apgdt(eps=0.1, steps=6, targets=3)",
    "apgdt(norm=l2, eps=0.02, steps=5, targets=2, restarts=2)",
    "fgsm(norm=l1, eps=3)",
    "pgd(norm=l1, eps=3, steps=6, restarts=2, objective=logit)",
    "pgd(eps=0.1, steps=6, restarts=2, optimiser=adam, stop=false, langevin=0.01)",
    "pgd(norm=l2, eps=0.5, steps=6, optimiser=sgd, step_size=0.3, momentum=0.9, targeted=true)",
    "pgd(norm=l1, eps=3, steps=6, optimiser=plain, step_size=1, momentum=0.5, langevin=0.02)",
    "pgd(eps=0.1, steps=5, objective=dlr, transform=noise, samples=3, random_start=false)",
    "pgd(eps=0.1, steps=5, transform=diverse, optimiser=rmsprop, restarts=2, stop=true)",
    "pgd(eps=0.1, steps=4, transform=shift, samples=2, noisy=gaussian, momentum=1)",
    "minnorm(steps=30)",
    "minnorm(steps=12, targeted=true)",
    "fab(steps=8, targets=2)",
    "fab(norm=l2, steps=8, targets=3)",
    "fab(eps=0.005, steps=5, targets=2)",
    "square(eps=0.1, queries=30)",
    "square(norm=l2, eps=0.5, queries=30, rescheduled=true)",
    "square(eps=0.1, queries=30, targeted=true)",
    "autoattack(eps=0.01, steps=4, targets=2, queries=10)",
    "autoattack(norm=l2, eps=0.05, steps=4, targets=2, queries=10)",
    "minnorm(norm=linf, steps=30)",
    "minnorm(steps=24, noisy=gaussian)",
    "minnorm(norm=linf, steps=12, targeted=true, noisy=filter)",
    "noise(eps=0.1)",
    "noise(norm=l2, eps=0.5)",
    "noise(norm=l1, eps=3)",
    "noise(like=pgd(eps=0.1, steps=6))",
    "noise(like=minnorm(steps=12))",
    "noise(like=minnorm(norm=linf, steps=12))",
]


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


def recipes(test):
    return pytest.mark.parametrize("recipe", RECIPES)(test)


@recipes
def test_the_result_is_what_it_says(recipe):
    model = net()
    images, labels = data(model)
    crafted = craft(model, images, labels, recipe)
    table = verify(
        model, images, crafted.images, labels, recipe, targets=crafted.targets, radii=crafted.radii
    )
    assert table.inside_box.all()
    assert table.inside_ball.all()
    assert table.prediction.tolist() == crafted.predictions.tolist()
    assert table.clean_prediction.tolist() == crafted.clean_predictions.tolist()
    assert table.clean_correct.tolist() == crafted.clean_correct.tolist() == [False] + [True] * 8
    goal = "target_reached" if crafted.targets is not None else "label_changed"
    assert (table[goal] & table.clean_correct).tolist() == crafted.success.tolist()
    if recipe.startswith("noise("):
        assert table.status.tolist() == ["clean wrong"] + ["success"] * 8
    assert len(crafted) == 9
    assert crafted.ids == tuple("012345678")
    assert int(crafted.backwards.max()) <= crafted.recipe.gradients


@recipes
def test_images_that_are_wrong_already_are_left_as_they_are_and_marked(recipe):
    model = net()
    images, labels = data(model, wrong=9)
    crafted = craft(model, images, labels, recipe)
    assert torch.equal(crafted.images, images)
    assert not crafted.success.any()
    assert not crafted.clean_correct.any()
    assert crafted.predictions.tolist() == crafted.clean_predictions.tolist()


@recipes
@pytest.mark.parametrize("broken", [None, 0, 1, 3])
def test_model_and_random_state_are_left_as_they_were_also_after_an_exception(recipe, broken):
    class Fragile(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            if broken is not None and self.calls > broken:
                raise RuntimeError("midway")
            return self.inner(x)

    model = Fragile().train()
    model.inner[2].eval()
    model.inner[1].weight.requires_grad_(False)
    images, labels = data(model.inner)
    images.requires_grad_()
    modes = [part.training for part in model.modules()]
    flags = [p.requires_grad for p in model.parameters()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    original = images.detach().clone()
    with nullcontext() if broken is None else pytest.raises(RuntimeError, match="midway"):
        craft(model, images, labels, recipe, batch_size=4)
    assert [part.training for part in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert images.grad is None
    assert torch.equal(images.detach(), original)
    assert all(torch.equal(v, state[name]) for name, v in model.state_dict().items())
    assert not any(part._forward_hooks or part._backward_hooks for part in model.modules())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]


@recipes
def test_neighbours_batches_and_order_do_not_matter(recipe):
    model = net()
    images, labels = data(model, n=11)
    names = [f"val/{i}" for i in range(11)]
    whole = craft(model, images, labels, recipe, seed=5, ids=names)
    for size in (1, 4):
        parts = craft(model, images, labels, recipe, seed=5, ids=names, batch_size=size)
        torch.testing.assert_close(parts.images, whole.images, atol=1e-6, rtol=0)
        assert parts.success.tolist() == whole.success.tolist()
        same = parts.forwards == whole.forwards
        # The first image alone may be asked for the number of classes.
        assert same.all()
    order = torch.tensor([4, 9, 0])
    some = craft(
        model, images[order], labels[order], recipe, seed=5, ids=[names[i] for i in order.tolist()]
    )
    torch.testing.assert_close(some.images, whole.images[order], atol=1e-6, rtol=0)


@recipes
def test_the_same_seed_gives_the_same_bits(recipe):
    model = net()
    images, labels = data(model)
    first, second = (craft(model, images, labels, recipe, seed=3) for _ in range(2))
    assert torch.equal(first.images, second.images)
    if "nois" in recipe:
        other = craft(model, images, labels, recipe, seed=4)
        assert not torch.equal(first.images[1:], other.images[1:])


def refusal(recipe: str, shape: tuple[int, ...]) -> str | None:
    """What a recipe cannot be used for, as its message says it."""
    if ("diverse" in recipe or "shift" in recipe) and len(shape) == 1:
        return r"needs images of shape \(n, c, h, w\)"
    return None


@recipes
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("shape", [(20,), (1, 6, 6), (3, 4, 4)])
def test_every_kind_of_input_is_served(recipe, dtype, classes, shape):
    model = net(shape, classes)
    images, labels = data(model, n=5, shape=shape, wrong=0)
    images[3], images[4] = images[3].round(), images[4].round()
    model, images = model.to(dtype).eval(), images.to(dtype)
    labels = model(images).argmax(1)
    refused = refusal(recipe, shape)
    if refused is not None:
        with pytest.raises(InputError, match=refused):
            craft(model, images, labels, recipe)
        return
    crafted = craft(model, images, labels, recipe)
    assert crafted.images.dtype == dtype
    assert crafted.images.shape == images.shape
    assert crafted.images.isfinite().all()
    assert ((crafted.images >= 0) & (crafted.images <= 1)).all()
    moved = (crafted.images != images).flatten(1)
    assert moved.any(1).all()
    assert crafted.clean_correct.all()


@recipes
def test_inference_mode_and_no_grad_around_it_do_not_matter(recipe):
    model = net()
    images, labels = data(model)
    plain = craft(model, images, labels, recipe)
    with torch.no_grad():
        assert torch.equal(craft(model, images, labels, recipe).images, plain.images)
    with torch.inference_mode():
        inside = craft(model, images.clone(), labels, recipe)
    assert torch.equal(inside.images, plain.images)


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
