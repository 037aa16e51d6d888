"""The recipes of a study: one budget, one radius, a family and a name for each."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attacks import parse
from core.errors import InputError
from landscape.noise.recipes import (
    CLASSIFIER,
    CONTROL,
    FAMILIES,
    INJECTED,
    MINIMUM,
    REFERENCE,
    RULE,
    comparable,
    family,
    keeps_last,
    last_point_of,
    noise_recipes,
    scaled,
    spoken_labels,
    usual_slope,
)

DEFAULT = noise_recipes("0.2", 64, slope=0.001)


def test_the_default_recipes_have_one_budget_and_one_radius():
    recipes, reference = comparable(DEFAULT, 20)
    assert len([r for r in recipes if not r.control]) >= 8
    assert reference == parse("pgd(norm=linf, eps=0.2, steps=20, stop=false)")
    for recipe in recipes:
        assert recipe.gradients == 20
        own = recipe.get("like") or recipe
        assert own.get("eps") in (0.2, None)
        assert not own.get("stop", False)


def test_every_family_is_among_the_default_recipes_and_every_recipe_has_a_name_of_its_own():
    recipes, reference = comparable(DEFAULT, 20)
    found = [family(recipe, reference) for recipe in recipes]
    assert set(found) == set(FAMILIES)
    assert found.count(CLASSIFIER) == 3
    assert found.count(INJECTED) == 4
    labels = spoken_labels(recipes, reference)
    assert len(set(labels.values())) == len(recipes)
    assert labels[str(reference)] == REFERENCE
    assert "Langevin noise 0.05" in labels.values()
    assert "minimum norm, linf" in labels.values()


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("noise(eps=0.1)", CONTROL), ("pgd(eps=0.1)", REFERENCE), ("fgsm(eps=0.1)", RULE),
        ("pgd(eps=0.1, momentum=1)", RULE), ("pgd(eps=0.1, langevin=0.1)", INJECTED),
        ("pgd(eps=0.1, transform=shift)", INJECTED), ("pgd(eps=0.1, noisy=filter)", CLASSIFIER),
        ("pgd(eps=0.1, noisy=filter, langevin=0.1)", CLASSIFIER),
        ("pgd(eps=0.1, noisy=filter, noise_scale=0)", RULE), ("minnorm()", MINIMUM),
        ("minnorm(noisy=dropout)", CLASSIFIER),
    ],
)  # fmt: skip
def test_what_a_recipe_changes_decides_its_family(recipe, expected):
    assert family(recipe, "pgd(eps=0.1)") == expected


def test_the_reference_that_keeps_its_last_point_is_known_by_noise_of_scale_0():
    recipes, reference = comparable(DEFAULT, 20)
    last = last_point_of(recipes, reference)
    assert last == parse("pgd(eps=0.2, steps=20, noisy=gaussian, noise_scale=0)")
    assert spoken_labels(recipes, reference)[str(last)] == "sign PGD, last point"
    assert keeps_last(last)
    assert not keeps_last(reference)
    assert not keeps_last(parse("pgd(eps=0.2, noisy=gaussian, stop=true)"))
    assert not keeps_last(parse("minnorm(noisy=gaussian)"))
    others = [r for r in recipes if r != last]
    assert last_point_of(others, reference) is None
    moved = parse("pgd(eps=0.2, steps=20, noisy=gaussian, noise_scale=0, momentum=1)")
    assert last_point_of([moved], reference) is None


def test_recipes_that_sound_alike_are_told_apart():
    texts = [
        "pgd(eps=0.1)", "pgd(eps=0.1, step_size=0.01)", "pgd(eps=0.1, noisy=gaussian)",
        "pgd(eps=0.1, noisy=gaussian, samples=2, steps=20)", "minnorm(norm=l2)",
        "minnorm(norm=linf)", "pgd(eps=0.1, momentum=1, objective=margin)",
    ]  # fmt: skip
    recipes = [parse(text) for text in texts]
    labels = list(spoken_labels(recipes, recipes[0]).values())
    assert len(set(labels)) == len(texts)
    assert labels[-1] == "momentum 1, objective margin"


def test_the_first_steps_of_the_gradients_are_as_long_as_that_of_sign_pgd():
    slope = 0.037
    sign, _, normalised, plain = (parse(text) for text in noise_recipes("0.2", 64, slope)[2:6])
    length = sign["step_size"] * 64**0.5
    assert normalised["step_size"] == pytest.approx(length)
    assert plain["step_size"] * slope == pytest.approx(length, rel=0.05)


def test_the_usual_slope_is_the_median_gradient_norm():
    weight = torch.tensor([[1.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).double()
    with torch.no_grad():
        net[1].weight.copy_(weight)
    net.requires_grad_(False)
    images = torch.tensor([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]).double().reshape(3, 1, 1, 2)
    # Cross-entropy of class 0: its gradient is (1 - p_0) times the weights' difference.
    wrong = torch.sigmoid(-(images.flatten(1) @ weight[0]))
    expected = float((wrong * weight[0].norm()).median())
    assert usual_slope(net, images, torch.zeros(3, dtype=torch.int64)) == pytest.approx(expected)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).double().requires_grad_(False)
    flat[1].weight.data.zero_()
    with pytest.raises(InputError, match="--attacks: the default recipes need a gradient"):
        usual_slope(flat, images, torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["pgd(eps=0.1)", "pgd(eps=0.2, momentum=1)"], "need the same one to be compared"),
        (["pgd(eps=0.1)", "pgd(norm=l2, eps=0.1)"], "need the same one to be compared"),
        (["minnorm()"], "expected at least one attack inside a ball"),
        (["noise(eps=0.1)"], "expected at least one attack inside a ball"),
        (["pgd(eps=0.1, steps=30)"], "may spend 30 gradients"),
        (["pgd(eps=0.1)", "pgd(eps=0.1)"], "is given twice"),
        (["pgb(eps=0.1)"], "pgb"),
    ],
)
def test_recipes_that_cannot_be_compared_are_named(texts, message):
    with pytest.raises(InputError, match=message):
        comparable(texts, 20)


def test_the_curve_is_the_reference_with_noise():
    reference = parse("pgd(eps=0.1, steps=7, stop=false)")
    found = scaled(reference, ["gaussian", "dropout"], [0.1, 0.3])
    assert set(found) == {"gaussian", "dropout"}
    assert found["dropout"][0.3] == parse("pgd(eps=0.1, steps=7, noisy=dropout, noise_scale=0.3)")
    assert scaled(reference, ["gaussian"], []) == {}
    with pytest.raises(InputError, match="--noisy"):
        scaled(reference, ["gauss"], [0.1])
    with pytest.raises(InputError, match="noise_scale"):
        scaled(reference, ["dropout"], [1.5])
