"""What torchattacks 3.5.1 gets wrong, and what its attacks are here."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from attacks import craft, craft_all, parse, verify
from attacks.forms.zoo import ZOO
from attacks.task import Task
from attacks.zoo import crafting
from attacks.zoo.library import attack_class
from core.errors import InputError
from tests.attacks.nets import data, net

DETERMINISTIC = {
    "bim": ("BIM", {"alpha": 0.025}),
    "mifgsm": ("MIFGSM", {"alpha": 0.025, "decay": 1.0}),
    "nifgsm": ("NIFGSM", {"alpha": 0.025, "decay": 1.0}),
    "sinifgsm": ("SINIFGSM", {"alpha": 0.025}),
    "upgd": ("UPGD", {"alpha": 0.025}),
}


@pytest.fixture(autouse=True)
def package():
    return pytest.importorskip("torchattacks")


def plane(weights: list[float], offset: float) -> nn.Module:
    """Two classes on the two sides of `weights . image = offset`; both logits are negative."""
    model = nn.Linear(len(weights), 2, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([weights, [0.0] * len(weights)]))
        model.bias.copy_(torch.tensor([-offset - 50.0, -50.0]))
    return nn.Sequential(nn.Flatten(), model)


@pytest.mark.parametrize("name", DETERMINISTIC)
@pytest.mark.parametrize("n", [1, 7])
def test_without_randomness_it_is_what_torchattacks_makes(package, name, n):
    model = net().eval()
    images, labels = data(model, n=n, wrong=0)
    made_by, arguments = DETERMINISTIC[name]
    theirs = getattr(package, made_by)(model, eps=0.1, steps=5, **arguments)(images, labels)
    ours = craft(model, images, labels, f"{name}(eps=0.1, steps=5)")
    torch.testing.assert_close(ours.images, theirs, atol=1e-7, rtol=0)


def test_cw_moves_pixels_at_the_edge_of_the_box(package):
    images = torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=torch.float64)
    model = plane([1.0, -1.0, 1.0, -1.0], 1.0)
    labels = torch.tensor([0])
    theirs = package.CW(model, c=1, steps=200)(images[:, None, None], labels)
    assert torch.equal(theirs.flatten(), images.flatten())
    ours = craft(model, images, labels, "cw(steps=200)")
    assert ours.success.all()
    assert ((ours.images - images).abs() > 0.01).all()


def test_cw_sees_negative_logits(package):
    images = torch.full((1, 4), 0.6, dtype=torch.float64)
    model = plane([1.0, 1.0, 1.0, 1.0], 2.0)
    labels = torch.tensor([0])
    theirs = package.CW(model, c=1, steps=100)(images[:, None, None], labels)
    assert torch.equal(theirs.flatten(), images.flatten())
    ours = craft(model, images, labels, "cw(steps=100)")
    assert ours.success.all()
    assert (ours.images - images).norm() < 1.5 * 0.2


def test_ead_measures_from_the_image_and_leaves_most_components_alone():
    images = torch.full((1, 6), 0.5, dtype=torch.float64)
    weights = [4.0, 0.01, -0.01, 0.01, 0.01, -0.01]
    model = plane(weights, 1.5)
    labels = torch.tensor([0])
    crafted = craft(model, images, labels, "eadl1(steps=60, constants=4, constant=0.1, beta=0.01)")
    assert crafted.success.all()
    assert (crafted.images != images).sum() == 1
    assert crafted.images[0, 0] != 0.5


@pytest.mark.parametrize("recipe", ["upgd(eps=0.3, objective=margin)", "mifgsm(eps=0.3)"])
def test_a_gradient_that_vanishes_does_not_stop_the_momentum(package, recipe):
    class Flat(nn.Module):
        """Class 0 above a threshold; flat on both sides, but for a narrow slope."""

        def forward(self, x):
            height = 40 * (x.flatten(1).sum(1) - 2).clamp(-0.05, 0.05)
            return torch.stack([height, -height], 1)

    images = torch.full((2, 1, 2, 2), 0.51, dtype=torch.float64)
    images[1] = 0.9
    labels = torch.tensor([0, 0])
    theirs = package.UPGD(Flat(), eps=0.3, alpha=0.075, loss="margin")(images, labels)
    assert (theirs - images)[0].abs().max() == pytest.approx(0.075)
    crafted = craft(Flat(), images, labels, recipe)
    assert (crafted.images - images)[0].abs().max() == pytest.approx(0.3)
    assert torch.equal(crafted.images[1], images[1])
    assert crafted.success.tolist() == [True, False]


def test_a_loss_that_is_nan_for_the_attack_leaves_the_image_as_it_is():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, dtype=torch.float64))
    nn.init.zeros_(model[1].weight)
    images = torch.full((2, 4), 0.5, dtype=torch.float64)
    labels = model(images).argmax(1)
    crafted = craft(model, images, labels, "deepfool")
    assert torch.equal(crafted.images, images)
    assert not crafted.success.any()


def test_images_need_neither_three_channels_nor_float32_nor_as_many_rows_as_columns(package):
    for shape in ((1, 8, 8), (5, 8, 8), (3, 6, 9)):
        model = net(shape).eval()
        images, labels = data(model, n=2, shape=shape, wrong=0)
        for recipe in ("pifgsm(eps=0.1)", "pifgsmpp(eps=0.1)", "pixle", "tifgsm(eps=0.1)"):
            if recipe.startswith("tifgsm") and shape[1] != shape[2]:
                with pytest.raises(InputError, match="as many rows as columns"):
                    craft(model, images, labels, recipe)
                continue
            crafted = craft(model, images, labels, recipe)
            assert not torch.equal(crafted.images, images)


def test_the_patchwise_kernel_smooths_rows_and_columns_alike(package):
    model = net((3, 6, 6)).eval()
    kernel = attack_class("PIFGSMPP", "pifgsmpp")(model).gaussian_kern(3, 3)[0, 0]
    torch.testing.assert_close(kernel, kernel.T)
    assert kernel.sum().item() == pytest.approx(1)
    theirs = package.PIFGSMPP(model).gaussian_kern(3, 3)[0, 0]
    assert not torch.allclose(theirs, theirs.T)


def test_pixle_moves_the_pixels_that_it_says():
    images = torch.arange(24, dtype=torch.float64).reshape(1, 1, 4, 6) / 24
    model = net((1, 4, 6)).eval()
    labels = model(images).argmax(1)
    for mapping in ("random", "similarity", "distance"):
        made = craft(model, images, labels, f"pixle(mapping={mapping}, largest=3)").images
        assert set(made.flatten().tolist()) <= set(images.flatten().tolist())
        assert not torch.equal(made, images)


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_jsma_aims_at_a_class_that_there_is(classes):
    model = net(classes=classes).eval()
    images, labels = data(model, n=3, wrong=0)
    crafted = craft(model, images, labels, "jsma(gamma=0.5)")
    aimed = craft(
        model, images, labels, "jsma(gamma=0.5, targeted=true)", targets=(labels + 1) % classes
    )
    torch.testing.assert_close(crafted.images, aimed.images)


@pytest.mark.parametrize(
    ("recipe", "shape", "classes", "message"),
    [
        ("upgd(eps=0.1, objective=dlr)", (4,), 2, "needs 3 classes, found 2"),
        ("upgd(eps=0.1, objective=dlr, targeted=true)", (4,), 3, "needs 4 classes, found 3"),
        ("difgsm(eps=0.1)", (20,), 3, "difgsm needs images"),
        ("difgsm(eps=0.1)", (3, 4, 5), 3, "as many rows as columns"),
        ("jsma", (3, 64, 64), 3, "12288 features are more"),
    ],
)
def test_what_cannot_be_cured_is_refused_with_the_reason(recipe, shape, classes, message):
    model = net(shape, classes).eval()
    images, labels = data(model, n=2, shape=shape, wrong=0)
    with pytest.raises(InputError, match=message):
        craft(model, images, labels, recipe)


def test_without_torchattacks_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchattacks", None)
    model = net().eval()
    images, labels = data(model, n=2)
    with pytest.raises(InputError, match=r"`pip install --no-deps torchattacks==3\.5\.1`"):
        craft(model, images, labels, "bim(eps=0.1)")


@pytest.mark.parametrize(("beyond", "status"), [(1e-9, "not fooled"), (1e-3, "outside ball")])
def test_rounding_is_brought_back_into_the_ball_and_more_is_shown(monkeypatch, beyond, status):
    images = torch.full((1, 4), 0.5, dtype=torch.float64)
    model = plane([1.0, 1.0, 1.0, 1.0], 0.1)

    class Sloppy:
        def __init__(self, *_, **__):
            pass

        def forward(self, images, labels):
            return images + 0.1 + beyond

    monkeypatch.setattr(crafting, "attack_class", lambda *_: Sloppy)
    crafted = craft(model, images, torch.tensor([0]), "bim(eps=0.1)")
    table = verify(model, images, crafted.images, torch.tensor([0]), "bim(eps=0.1)")
    assert table.status.tolist() == [status]
    assert (table.linf[0] <= 0.1 + 1e-12) == (beyond < 1e-6)


def test_each_gradient_is_that_of_the_next_noisy_classifier(monkeypatch):
    model = net().eval()
    images, labels = data(model, n=4, wrong=0)
    steps = []
    made = Task.noisy_classifier

    def watched(task):
        noisy = made(task)
        parameters = noisy.parameters
        noisy.parameters = lambda step: steps.append(step) or parameters(step)
        return noisy

    monkeypatch.setattr(Task, "noisy_classifier", watched)
    crafted = craft(model, images, labels, "vmifgsm(eps=0.1, steps=3, noisy=gaussian)")
    assert steps == list(range(3 * 6))
    assert crafted.backwards.tolist() == [18] * 4
    assert crafted.forwards.tolist() == [20] * 4
    steps.clear()
    craft(model, images, labels, "deepfool(steps=2, noisy=gaussian)")
    assert set(steps) == {0, 1}


def test_the_classifier_is_not_touched_even_where_its_parameters_ask_for_gradients():
    model = net().train()
    images, labels = data(model, n=3, wrong=0)
    for recipe in ("deepfool(steps=2)", "pifgsm(eps=0.1, steps=2)", "jsma", "cw(steps=2)"):
        craft(model, images, labels, recipe)
        assert all(part.training for part in model.modules())
        assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_a_batch_is_attacked_as_its_images_are_alone():
    model = net().eval()
    images, labels = data(model, n=6, wrong=0)
    named = [name for name, zoo in ZOO.items() if zoo.together]
    given = {"eps": "0.1", "steps": "3"}
    texts = [
        f"{name}({', '.join(f'{k}={v}' for k, v in given.items() if k in ZOO[name].form.by_name)})"
        for name in named
    ]
    # Where the steps are long, the cost rises at times, and torchattacks ends the batch.
    texts.append("cw(steps=40, constant=20, learning_rate=0.1)")
    whole = craft_all(model, images, labels, texts, seed=2)
    alone = craft_all(model, images, labels, texts, seed=2, batch_size=1)
    for one, other in zip(whole, alone, strict=True):
        torch.testing.assert_close(one.images, other.images, atol=1e-9, rtol=0)
        assert torch.equal(one.backwards, other.backwards)
    assert len(named) > 15


def test_companions_do_not_make_a_tiny_gradient_vanish(package):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[1.0], [2.0]]).expand(2, 4))
        model[1].bias.copy_(torch.tensor([102.0, 0.0]))
    images, labels = torch.full((64, 1, 2, 2), 0.5), torch.zeros(64, dtype=torch.int64)
    theirs = package.BIM(model, eps=0.1, alpha=0.1, steps=1)(images, labels)
    assert torch.equal(theirs, images)
    assert not torch.equal(
        package.BIM(model, eps=0.1, alpha=0.1)(images[:1], labels[:1]), images[:1]
    )
    crafted = craft(model, images, labels, "bim(eps=0.1, step_size=0.1, steps=1)")
    torch.testing.assert_close(crafted.images, images + 0.1)


def test_every_argument_is_one_that_torchattacks_has(package):
    for name, zoo in ZOO.items():
        recipe = parse(f"{name}(eps=0.1)" if "eps" in zoo.form.by_name else name)
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        attack = getattr(package, zoo.made_by)(model, **zoo.constructed_with(dict(recipe.settings)))
        assert ("targeted" in zoo.form.by_name) == ("targeted" in attack.supported_mode)
