"""AutoAttack: its published parts, and that it is as strong as all of them together."""

from __future__ import annotations

import pytest
import torch

from attacks import autoattack_components, craft, parse, verify
from attacks.autoattack import PARTS, parts
from core import load_classifier, load_images
from core.errors import InputError

# Croce & Hein 2020, section 5 and table 2, and `version='standard'` of the authors' code
# (https://github.com/fra31/auto-attack, autoattack.py, set_version): names, order, settings.
PUBLISHED = {
    "apgd-ce": {"n_iter": 100, "n_restarts": 1, "rho": 0.75, "loss": "ce"},
    "apgd-t": {"n_iter": 100, "n_restarts": 1, "rho": 0.75, "n_target_classes": 9},
    "fab-t": {"n_iter": 100, "n_restarts": 1, "n_target_classes": 9},
    "square": {"n_queries": 5000, "p_init": 0.8, "resc_schedule": False},
}
OURS = {
    "n_iter": "steps",
    "n_restarts": "restarts",
    "rho": "rho",
    "loss": "objective",
    "n_target_classes": "targets",
    "n_queries": "queries",
    "p_init": "p_init",
    "resc_schedule": "rescheduled",
}
FORM = {"apgd-ce": "apgd", "apgd-t": "apgdt", "fab-t": "fab", "square": "square"}
SHORT = "steps=10, targets=3, queries=60"


@pytest.mark.parametrize(("norm", "eps"), [("linf", 8 / 255), ("l2", 0.5), ("linf", 1 / 3)])
def test_order_and_settings_are_the_published_ones(norm, eps):
    found = parts(parse(f"autoattack(norm={norm}, eps={eps!r})"))
    assert list(found) == list(PARTS) == list(PUBLISHED)
    for name, published in PUBLISHED.items():
        recipe = found[name]
        assert recipe.name == FORM[name]
        assert (recipe["norm"], recipe["eps"]) == (norm, eps)
        # FAB has no restarts here: one run per target, as published.
        own = {key: recipe.get(OURS[key], 1 if key == "n_restarts" else None) for key in published}
        assert own == {**published, **({"loss": "cross_entropy"} if "loss" in published else {})}
        assert not recipe.get("targeted")


def test_its_gradients_are_those_of_its_parts():
    for text in ("autoattack(eps=0.1)", f"autoattack(norm=l2, eps=0.1, {SHORT})"):
        recipe = parse(text)
        assert recipe.gradients == sum(part.gradients for part in parts(recipe).values())


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.12), ("l2", 0.7)])
def test_it_fools_what_any_of_its_parts_fools_and_says_which_did(norm, eps):
    # In float64: which examples share a batch must not matter even after hundreds of steps.
    classifier = load_classifier().double()
    images, labels = load_images("digits").subset(40).tensors()
    images = images.double()
    recipe = parse(f"autoattack(norm={norm}, eps={eps}, {SHORT})")
    whole = craft(classifier, images, labels, recipe)
    left = whole.clean_correct.clone()
    forwards = torch.zeros_like(whole.forwards)
    for number, (name, part) in enumerate(parts(recipe).items()):
        alone = craft(classifier, images, labels, part)
        assert (whole.success >= alone.success).all()
        mine = whole.broken_by == number
        assert torch.equal(mine, left & alone.success), name
        torch.testing.assert_close(whole.images[mine], alone.images[mine], atol=1e-6, rtol=0)
        forwards[left | (number == 0)] += alone.forwards[left | (number == 0)]
        left &= ~alone.success
    assert torch.equal(whole.success, whole.broken_by >= 0)
    assert torch.equal(whole.forwards, forwards)
    table = autoattack_components(whole)
    assert table.part.tolist() == list(PUBLISHED)
    assert table.fooled.sum() == whole.success.sum()
    assert table.robust_accuracy.iloc[-1] == pytest.approx(float(left.float().mean()))
    assert table.attacked.iloc[0] == whole.clean_correct.sum()
    assert verify(classifier, images, whole.images, labels, recipe).inside_ball.all()


def test_no_fewer_digits_are_fooled_than_by_pgd():
    classifier = load_classifier()
    images, labels = load_images("digits").subset(48).tensors()
    long = "steps=40, targets=2, queries=20"
    for norm, eps in (("linf", 0.1), ("l2", 0.6)):
        pgd = craft(classifier, images, labels, f"pgd(norm={norm}, eps={eps})")
        whole = craft(classifier, images, labels, f"autoattack(norm={norm}, eps={eps}, {long})")
        assert 0 < pgd.success.float().mean() < 0.9
        assert (whole.success >= pgd.success).float().mean() > 0.95
        assert whole.success.sum() >= pgd.success.sum()


def test_the_parts_of_another_attack_are_not_asked_for():
    classifier = load_classifier()
    images, labels = load_images("digits").subset(4).tensors()
    crafted = craft(classifier, images, labels, "fgsm(eps=0.1)")
    with pytest.raises(InputError, match="examples of an autoattack, found fgsm"):
        autoattack_components(crafted)
