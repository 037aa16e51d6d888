"""Lists of recipes, as a study takes them: the default ones, none twice, a label for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attacks.defaults import DEFAULT_DIGITS, DEFAULT_PHOTOGRAPHS
from attacks.forms import FORMS
from attacks.recipes import label, parse
from core.errors import InputError
from core.options import split_list


def default_recipes(data: str) -> tuple[str, ...]:
    """Return the recipes of the default study on this image set.

    >>> default_recipes("digits") == DEFAULT_DIGITS
    True
    """
    return DEFAULT_DIGITS if data == "digits" else DEFAULT_PHOTOGRAPHS


def recipe_list(
    given: Sequence[str] | str | None,
    default: Sequence[str],
    argument: str = "--attacks",
    *,
    least: int = 1,
) -> tuple[str, ...]:
    """Return the canonical form of every recipe given, or of the default ones.

    Args:
        given: a list, or one text with commas between the recipes; None: the default.
        default: recipes.
        argument: named in errors.
        least: 0 where the study can do without any.

    Raises:
        InputError: a recipe cannot be read or is given twice, or there is none.

    >>> recipe_list("fgsm(eps=0.1), noise(eps=1/2)", DEFAULT_DIGITS)
    ('fgsm(norm=linf, eps=0.1)', 'noise(norm=linf, eps=0.5)')
    """
    named = list(default) if given is None else split_list(given, argument)
    recipes = tuple(str(parse(recipe, argument=argument)) for recipe in named)
    if least and not recipes:
        raise InputError(f"{argument}: give at least one recipe.")
    if len(set(recipes)) < len(recipes):
        raise InputError(f"{argument}: the same recipe is given twice.")
    return recipes


def unique_labels(recipes: Iterable[str]) -> dict[str, str]:
    """Return a short name for every recipe, in their order, no two alike.

    A recipe whose label is another's already is named in full.

    >>> unique_labels(["pgd(eps=0.1)", "pgd(eps=0.1, stop=false)"])
    {'pgd(eps=0.1)': 'PGD linf 0.1', 'pgd(eps=0.1, stop=false)': 'pgd(eps=0.1, stop=false)'}
    """
    return without_twins({recipe: label(parse(recipe)) for recipe in recipes})


def without_twins(labels: dict[str, str]) -> dict[str, str]:
    """Return the labels, each that is taken already replaced by the full name it stands for.

    >>> without_twins({"a": "x", "b": "x"})
    {'a': 'x', 'b': 'b'}
    """
    unique: dict[str, str] = {}
    for name, short in labels.items():
        unique[name] = name if short in unique.values() else short
    return unique


def is_control(recipe: str) -> bool:
    """Say whether a recipe, or a group named by one, is no attack but a control, such as noise.

    >>> is_control("noise(eps=0.1)"), is_control("fgsm(eps=0.1)"), is_control("somebody's file")
    (True, False, False)
    """
    form = FORMS.get(recipe.split("(")[0].strip())
    return form is not None and form.control
