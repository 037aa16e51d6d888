"""The recipes that a study of noise compares: one radius, one budget, and what each does otherwise.

Plain sign PGD is the reference. What the other recipes change about it decides their family: the
rule of the step, noise in the step or the image, noise in the classifier, or the goal itself.

Recipes with noise in the classifier or changed copies keep the last of their points, for want of
passes to judge the others; sign PGD keeps its best. So the default recipes include sign PGD that
keeps its last point: noise of the scale 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from attacks.recipes import Recipe, parse
from attacks.transfer.recipes import over_scales, reference_of, short_labels, within_budget
from core.errors import InputError
from core.options import number
from landscape.flatness.gradients import gradient_norm
from landscape.loss import Loss

CONTROL = "control"
REFERENCE = "sign PGD"
RULE = "without noise"
INJECTED = "noise in step or image"
CLASSIFIER = "noisy classifier"
MINIMUM = "minimum norm"
FAMILIES = (CONTROL, REFERENCE, RULE, INJECTED, CLASSIFIER, MINIMUM)
"""In the order of reports."""
NOISY = (INJECTED, CLASSIFIER)
"""The families with noise in the optimisation."""

_DEFAULT = (
    "noise(like=pgd(norm=linf, eps={eps}, stop=false))",
    "shuffled(like=pgd(norm=linf, eps={eps}, stop=false))",
    "pgd(norm=linf, eps={eps}, stop=false)",
    "pgd(norm=linf, eps={eps}, noisy=gaussian, noise_scale=0)",
    "pgd(norm=linf, eps={eps}, optimiser=normalised, step_size={step}, stop=false)",
    "pgd(norm=linf, eps={eps}, optimiser=plain, step_size={rate}, stop=false)",
    "pgd(norm=linf, eps={eps}, momentum=1, stop=false)",
    "pgd(norm=linf, eps={eps}, optimiser=adam, stop=false)",
    "pgd(norm=linf, eps={eps}, langevin={quarter}, stop=false)",
    "pgd(norm=linf, eps={eps}, transform=noise, transform_scale={quarter}, stop=false)",
    "pgd(norm=linf, eps={eps}, transform=diverse, stop=false)",
    "pgd(norm=linf, eps={eps}, transform=shift, stop=false)",
    "pgd(norm=linf, eps={eps}, noisy=gaussian, stop=false)",
    "pgd(norm=linf, eps={eps}, noisy=filter, stop=false)",
    "pgd(norm=linf, eps={eps}, noisy=dropout, stop=false)",
    "minnorm(norm=linf)",
)


def noise_recipes(eps: str, pixels: int, slope: float) -> tuple[str, ...]:
    """Return the recipes of the default study, which leave the number of steps open.

    None stops at its first success. A step along the normalised gradient is as long in l2 as one of
    sign PGD; so is the first step along the plain gradient, where that has the usual length.

    Args:
        eps: linf radius, as it is written in a recipe.
        pixels: values of an image.
        slope: the usual l2 norm of the gradient of the cross-entropy, see `usual_slope`.
    """
    quarter = number(eps, "--eps") / 4
    step = quarter * pixels**0.5
    numbers = {"quarter": f"{quarter!r}", "step": f"{step:.3g}", "rate": f"{step / slope:.2g}"}
    return tuple(recipe.format(eps=eps, **numbers) for recipe in _DEFAULT)


def usual_slope(
    classifier: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int = 256
) -> float:
    """Return the median over images of the l2 norm of the cross-entropy's gradient.

    Args:
        classifier: images `(n, c, h, w)` to logits; frozen, in eval mode.
        images: genuine ones.
        labels: `(n,)` the true classes.
        batch_size: rows per pass.

    Raises:
        InputError: the gradient vanishes at most of the images.

    Cost: one forward and one backward pass per image.
    """
    lengths = gradient_norm(Loss(classifier, labels), images, ["l2"], batch_size=batch_size)["l2"]
    slope = float(torch.quantile(lengths, 0.5))
    if not slope > 0:
        raise InputError(
            "--attacks: the default recipes need a gradient at the genuine images, and the "
            "classifier's is 0 at most of them; give --attacks."
        )
    return slope


def comparable(texts: Sequence[str], gradients: int) -> tuple[list[Recipe], Recipe]:
    """Return the recipes within the budget, and the one that the others are compared with.

    Raises:
        InputError: a recipe cannot be read, is given twice or spends more than the budget; two have
            different radii; there is no attack inside a ball to compare the others with.
    """
    recipes = within_budget(texts, gradients)
    inside = [r for r in recipes if not r.control and r.get("eps") is not None]
    reference = reference_of(inside)
    if reference is None:
        raise InputError(
            "--attacks: expected at least one attack inside a ball, such as pgd(norm=linf, "
            "eps=8/255, stop=false), that the others are compared with."
        )
    for recipe in inside:
        if (recipe["norm"], recipe["eps"]) != (reference["norm"], reference["eps"]):
            raise InputError(
                f"--attacks: all recipes with a radius need the same one to be compared, found "
                f"{reference} and {recipe}."
            )
    return recipes, reference


def scaled(
    reference: Recipe, kinds: Sequence[str], scales: Sequence[float]
) -> dict[str, dict[float, Recipe]]:
    """Return the reference with noisy classifiers, by kind of noise and scale.

    Raises:
        InputError: an unknown kind, or a scale that it cannot have.
    """
    return {kind: over_scales(reference, kind, scales) for kind in kinds} if scales else {}


def family(recipe: str | Recipe, reference: str | Recipe) -> str:
    """Return the family of a recipe.

    >>> family("pgd(eps=0.1, noisy=filter)", "pgd(eps=0.1)"), family("minnorm()", "pgd(eps=0.1)")
    ('noisy classifier', 'minimum norm')
    """
    own = parse(recipe)
    if own.control:
        return CONTROL
    if own == parse(reference):
        return REFERENCE
    if own.get("noisy") is not None and own.get("noise_scale") != 0:
        return CLASSIFIER
    if own.get("langevin") or own.get("transform") is not None:
        return INJECTED
    return MINIMUM if own.get("eps") is None else RULE


def keeps_last(recipe: Recipe) -> bool:
    """Say whether an attack keeps the last of its points, whatever the others are.

    >>> keeps_last(parse("pgd(eps=0.1, transform=shift)")), keeps_last(parse("pgd(eps=0.1)"))
    (True, False)
    """
    changed = recipe.get("noisy") is not None or recipe.get("transform") is not None
    return recipe.name == "pgd" and changed and not recipe["stop"]


def last_point_of(recipes: Sequence[Recipe], reference: Recipe) -> Recipe | None:
    """Return the recipe that is the reference but for keeping its last point, if there is one."""
    for recipe in recipes:
        plain = [(k, v) for k, v in recipe.settings if k not in ("noisy", "noise_scale", "stop")]
        same = all(reference.get(key, ...) == value for key, value in plain)
        if same and keeps_last(recipe) and recipe["noise_scale"] == 0:
            return recipe
    return None


_STEPS = {"normalised": "gradient direction", "plain": "plain gradient", "adam": "Adam"}
_TRANSFORMS = {"noise": "noisy copies", "diverse": "diverse copies", "shift": "shifted copies"}
_KINDS = {
    "gaussian": "Gaussian classifier noise",
    "filter": "filter-wise classifier noise",
    "dropout": "classifier dropout",
}
KINDS: Mapping[str, str] = _KINDS
"""Of noisy classifiers, in words."""
_FOLLOWS = ("transform_scale", "noise_scale", "step_size", "steps", "stop", "random_start")
"""Settings that go with others, or that say little."""


def spoken_labels(recipes: Sequence[Recipe], reference: Recipe) -> dict[str, str]:
    """Return a name in words for every recipe, unique: what it does otherwise than the reference.

    >>> pgd, noisy, adam = (parse(f"pgd(eps=0.1{more})")
    ...                     for more in ("", ", noisy=filter", ", optimiser=adam"))
    >>> list(spoken_labels([pgd, noisy, adam], pgd).values())
    ['sign PGD', 'filter-wise classifier noise 0.1', 'Adam']
    """
    inside = [r for r in recipes if r.get("eps") is not None or r.control]
    fallback = {**short_labels(recipes), **short_labels(inside)}
    named: dict[str, str] = {}
    for recipe in recipes:
        text = str(recipe)
        name = _spoken(recipe, reference) or fallback[text]
        options = [name, fallback[text], text]
        named[text] = next(option for option in options if option not in named.values())
    return named


def _spoken(recipe: Recipe, reference: Recipe) -> str | None:
    """Return the name of a recipe in words; None where it has none."""
    like = recipe.get("like")
    if like is not None:
        words = {"noise": "random step", "shuffled": "another image's step"}
        return words.get(recipe.name) if like == reference else None
    if recipe.name == "minnorm":
        plain = all(recipe[key] in (None, False) for key in ("targeted", "noisy"))
        return f"minimum norm, {recipe['norm']}" if plain else None
    if recipe.name != reference.name:
        return None
    ours, theirs = dict(recipe.settings), dict(reference.settings)
    changed = [key for key in ours if ours[key] != theirs[key] and key not in _FOLLOWS]
    return ", ".join(_phrase(key, ours) for key in changed) or (
        REFERENCE if recipe == reference else None
    )


def _phrase(key: str, values: Mapping[str, Any]) -> str:
    value = values[key]
    if key == "optimiser":
        return _STEPS.get(value, value)
    if key == "transform":
        return _TRANSFORMS.get(value, value)
    if key == "noisy":
        scale = values["noise_scale"]
        if scale == 0:
            return f"{REFERENCE}, last point"
        return _KINDS.get(value, value) + ("" if scale is None else f" {scale:.3g}")
    if key == "langevin":
        return f"Langevin noise {value:.2g}"
    return f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
