from __future__ import annotations

import pytest

from attacks.recipe_lists import recipe_list, unique_labels
from core.errors import InputError


def test_what_is_not_given_is_the_default_and_what_is_given_replaces_it():
    assert recipe_list(None, ["fgsm(eps=0.1)"]) == ("fgsm(norm=linf, eps=0.1)",)
    assert recipe_list(["pgd(eps=0.1)"], ["fgsm(eps=0.1)"]) == (
        "pgd(norm=linf, eps=0.1, steps=40)",
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("", "--sources: give at least one recipe"),
        ("fgsm(eps=0.5), fgsm(eps=1/2)", "--sources: the same recipe is given twice"),
        ("fgsn(eps=0.5)", "--sources.*fgsn"),
    ],
)
def test_lists_that_cannot_be_used_are_named_by_their_option(given, problem):
    with pytest.raises(InputError, match=problem):
        recipe_list(given, [], "--sources")


def test_a_study_that_needs_no_recipe_may_have_none():
    assert recipe_list("", ["fgsm(eps=0.1)"], least=0) == ()
    assert recipe_list(None, (), least=0) == ()


def test_recipes_that_share_a_label_are_told_apart():
    recipes = recipe_list("pgd(eps=0.1), pgd(eps=0.1, stop=false), pgd(eps=0.2)", [])
    labels = unique_labels(recipes)
    assert list(labels) == list(recipes)
    assert list(labels.values()) == ["PGD linf 0.1", recipes[1], "PGD linf 0.2"]
