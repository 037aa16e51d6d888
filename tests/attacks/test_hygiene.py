"""Hygiene: every recipe, on every kind of input, leaves the world as it was.

One row a recipe: a new attack joins by its rows in `RECIPES`.
"""

from __future__ import annotations

import importlib.util
import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from attacks import craft, parse, verify
from attacks.forms import FORMS
from attacks.forms.zoo import ZOO
from core.errors import InputError
from tests.attacks.nets import data, net

OWN = [
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
    "apgdt(eps=0.02, steps=5, targets=2, noisy=filter)",
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
    "shuffled(like=pgd(eps=0.1, steps=6))",
]
OF_THE_ZOO = [
    "bim(eps=0.1, steps=3)",
    "bim(eps=0.1, steps=3, noisy=gaussian)",
    "rfgsm(eps=0.1, steps=3)",
    "eotpgd(eps=0.1, steps=2)",
    "ffgsm(eps=0.1)",
    "tpgd(eps=0.1, steps=3)",
    "mifgsm(eps=0.1, steps=3, targeted=true)",
    "nifgsm(eps=0.1, steps=3)",
    "sinifgsm(eps=0.1, steps=2, scales=2)",
    "vmifgsm(eps=0.1, steps=2, neighbours=2, noisy=dropout)",
    "vnifgsm(eps=0.1, steps=2, neighbours=2)",
    "difgsm(eps=0.1, steps=3)",
    "tifgsm(eps=0.1, steps=2, kernel_size=3, random_start=true)",
    "upgd(eps=0.1, steps=3, objective=margin, random_start=true)",
    "jitter(eps=0.1, steps=3)",
    "pgdrs(eps=0.1, steps=2, draws=3)",
    "pgdrsl2(eps=0.5, steps=2, draws=3, noise_type=uniform)",
    "spsa(eps=0.1, steps=2, pairs=5)",
    "pifgsm(eps=0.1, steps=3)",
    "pifgsmpp(eps=0.1, steps=3, targeted=true)",
    "cw(steps=6)",
    "cw(steps=6, targeted=true, noisy=filter)",
    "deepfool(steps=3)",
    "eadl1(steps=10, constants=2, constant=1)",
    "eaden(steps=10, constants=1, constant=1)",
    "sparsefool(steps=1, boundary_steps=2)",
    "jsma(gamma=0.1)",
    "onepixel(steps=2, pixels=2)",
    "pixle(steps=2, restarts=2)",
    "gn(std=0.1)",
]
installed = pytest.mark.skipif(
    importlib.util.find_spec("torchattacks") is None, reason="torchattacks is not installed"
)
RECIPES = [*OWN, *(pytest.param(recipe, marks=installed) for recipe in OF_THE_ZOO)]
MAY_STAY = {"cw", "deepfool", "eadl1", "eaden", "sparsefool", "onepixel", "pixle", "jsma"}
"""What keeps steps small may find none, and leave the image as it is."""
MAY_STAY |= {"manifold"}  # an image that is reconstructed as another class is left as it is
MAY_STAY |= {"shuffled"}  # it has no step to give where all images are of one class
ELSEWHERE = {"manifold"}
"""What needs an autoencoder of the images: tests/autoencoders/manifold/test_recipe.py runs these
tests on it."""


def recipes(test):
    return pytest.mark.parametrize("recipe", RECIPES)(test)


def test_every_attack_has_a_row():
    assert {parse(recipe).name for recipe in [*OWN, *OF_THE_ZOO]} == set(FORMS) - ELSEWHERE


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
    kind = torch.get_default_dtype()
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
    assert torch.get_default_dtype() == kind


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
    if parse(recipe).name == "shuffled":
        return  # whose step an image is given depends on who there is
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


@recipes
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [2, 3, 4, 10])
@pytest.mark.parametrize("shape", [(20,), (1, 6, 6), (3, 4, 4)])
def test_every_kind_of_input_is_served(recipe, dtype, classes, shape):
    model = net(shape, classes)
    images, labels = data(model, n=5, shape=shape, wrong=0)
    images[3], images[4] = images[3].round(), images[4].round()
    model, images = model.to(dtype).eval(), images.to(dtype)
    labels = model(images).argmax(1)
    zoo = ZOO.get(parse(recipe).name)
    spatial = parse(recipe).get("transform") in ("diverse", "shift")
    if len(shape) < 3 and (spatial or (zoo is not None and zoo.rows_and_columns)):
        with pytest.raises(InputError, match="needs images"):
            craft(model, images, labels, recipe)
        return
    crafted = craft(model, images, labels, recipe)
    assert crafted.images.dtype == dtype
    assert crafted.images.shape == images.shape
    assert crafted.images.isfinite().all()
    assert ((crafted.images >= 0) & (crafted.images <= 1)).all()
    moved = (crafted.images != images).flatten(1)
    assert moved.any(1).all() or parse(recipe).name in MAY_STAY
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
