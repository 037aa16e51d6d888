"""The recipes of a study of transfer: one budget of gradients, families, controls, noise scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from attacks.forms import FORMS
from attacks.forms.common import NOISES
from attacks.recipes import Recipe, label, parse
from core.errors import InputError, unknown_name


def within_budget(texts: Sequence[str], gradients: int) -> list[Recipe]:
    """Return the recipes, those that leave their steps open with as many as the budget allows.

    Raises:
        InputError: a recipe cannot be read, is given twice, or may spend more than the budget.

    >>> [str(r) for r in within_budget(["fgsm(eps=0.1)", "pgd(eps=0.1)"], 10)]
    ['fgsm(norm=linf, eps=0.1)', 'pgd(norm=linf, eps=0.1, steps=10)']
    """
    recipes: list[Recipe] = []
    for text in texts:
        recipe = parse(text, gradients=gradients)
        if recipe.gradients > gradients:
            if not isfinite(recipe.gradients):
                raise InputError(
                    f"--attacks: what {recipe.name} spends on an image depends on the classes, so "
                    "it cannot be held to the number of gradients that --gradients allows."
                )
            fewer = "let it take fewer steps, or " if recipe.get("steps", 1) > 1 else ""
            raise InputError(
                f"--attacks: {recipe} may spend {recipe.gradients:g} gradients on an image, but "
                f"--gradients allows {gradients}; {fewer}allow {recipe.gradients:g}."
            )
        if recipe in recipes:
            raise InputError(f"--attacks: the recipe {recipe} is given twice.")
        recipes.append(recipe)
    return recipes


def base(recipe: Recipe) -> Recipe:
    """Return the recipe that a control copies; any other recipe is its own."""
    return recipe.get("like") or recipe


def ball(recipe: Recipe) -> tuple[str, float | None]:
    """Return the norm and the radius of a recipe; None where it has no fixed radius."""
    own = base(recipe)
    return own["norm"], own.get("eps")


def reference_of(recipes: Sequence[Recipe]) -> Recipe | None:
    """Return what the others are compared with: the first plain PGD, else the first attack.

    Plain is a PGD whose settings beyond ball, steps and stopping are the defaults.
    """
    attacks = [r for r in recipes if not r.control]
    plain = [
        r
        for r in attacks
        if r.name == "pgd" and set(_changed(r)) <= {"norm", "eps", "steps", "stop"}
    ]
    return next(iter([*plain, *attacks]), None)


def over_scales(reference: Recipe, noisy: str, scales: Sequence[float]) -> dict[float, Recipe]:
    """Return the reference with gradients of noisy classifiers, one recipe for each scale.

    Raises:
        InputError: an unknown kind of noise, a scale that it cannot have, or a reference that does
            not climb gradients.
    """
    if noisy not in NOISES:
        raise unknown_name("--noisy", noisy, NOISES)
    if "noise_scale" not in FORMS[reference.name].by_name:
        raise InputError(
            "--noise_scales: needs a recipe in --attacks whose gradients can be those of noisy "
            f"classifiers, such as pgd(eps=8/255, stop=false); found {reference}."
        )
    made = {}
    for scale in scales:
        values = dict(reference.settings) | {"noisy": noisy, "noise_scale": float(scale)}
        made[scale] = parse(
            str(replace(reference, settings=tuple(values.items()))), argument="--noise_scales"
        )
    return made


def short_labels(recipes: Sequence[Recipe]) -> dict[str, str]:
    """Return a short name for every recipe, unique; what all share, ball and steps, is left out.

    >>> recipes = within_budget(["fgsm(eps=0.1)", "pgd(eps=0.1)", "pgd(eps=0.1, momentum=1)"], 5)
    >>> list(short_labels(recipes).values())
    ['FGSM', 'PGD', 'PGD, momentum=1']
    """
    shared = len({ball(recipe) for recipe in recipes}) == 1
    named: dict[str, str] = {}
    for recipe in recipes:
        short, full = _named(_without_steps(recipe), shared), _named(recipe, shared)
        options = [short, full, str(recipe)]
        named[str(recipe)] = next(o for o in options if o not in named.values())
    return named


def _named(recipe: Recipe, bare: bool) -> str:
    """Return the recipe's short name; bare: without norm and radius."""
    title = FORMS[recipe.name].title
    if recipe.get("like") is not None:
        return f"{title} like {_named(recipe['like'], bare)}"
    said = label(recipe).replace(", noise_scale=", " ")
    main, comma, rest = said.partition(", ")
    return (title if bare else main) + comma + rest


def _without_steps(recipe: Recipe) -> Recipe:
    """Return the recipe with the default number of steps, for its name."""
    form = FORMS[recipe.name]
    values = dict(recipe.settings)
    if "steps" in form.by_name and not callable(form.by_name["steps"].default):
        values["steps"] = form.by_name["steps"].default
    if values.get("like") is not None:
        values["like"] = _without_steps(values["like"])
    return Recipe(recipe.name, tuple(values.items()))


def _changed(recipe: Recipe) -> list[str]:
    """Return the settings that are not at their defaults."""
    form = FORMS[recipe.name]
    values = dict(recipe.settings)
    return [
        s.name
        for s in form.settings
        if values[s.name] != (s.default(values) if callable(s.default) else s.default)
    ]
