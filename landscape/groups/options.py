"""The options by which commands choose their example groups, checked and resolved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attacks.recipe_lists import default_recipes, recipe_list
from attacks.recipes import parse
from core.errors import InputError
from core.options import positive, split_list

ALL, NONE = "all", "none"


def resolved_groups(
    *,
    data: str,
    examples: int,
    matching_pool: int | None,
    attacks: Sequence[str] | str | None,
    adversarial: Sequence[str] | str | None,
    controls: Sequence[str] | str | None,
    default_controls: str = ALL,
) -> dict[str, Any]:
    """Return the settings of a `GroupStudy` that say which groups there are.

    Args:
        data: decides the default recipes.
        examples: how many images are attacked.
        matching_pool: how many further genuine images there are; None: as many.
        attacks: recipes; None: the default ones, or none where there are files.
        adversarial: files of ready-made examples.
        controls: `all`, `none`, or groups that get a same-class control.
        default_controls: for None.

    Raises:
        InputError: naming the option.
    """
    positive(examples, "--examples")
    if matching_pool is not None and matching_pool < 0:
        raise InputError(f"--matching_pool: expected 0 or more, found {matching_pool}.")
    files = split_list(adversarial, "--adversarial")
    recipes = recipe_list(attacks, () if files else default_recipes(data), least=0)
    if not recipes and not files:
        raise InputError("--attacks: give at least one recipe, or a file with --adversarial.")
    wanted = split_list(default_controls if controls is None else controls, "--controls")
    if len(wanted) > 1 and {ALL, NONE} & set(wanted):
        raise InputError("--controls: 'all' and 'none' stand by themselves, without recipes.")
    return {
        "examples": examples,
        "matching_pool": examples if matching_pool is None else matching_pool,
        "attacks": recipes,
        "adversarial": tuple(files),
        "controls": () if wanted == [NONE] else tuple(map(_canonical, wanted)),
    }


def _canonical(name: str) -> str:
    """Return a recipe in its canonical form, and any other name as it is."""
    try:
        return str(parse(name))
    except InputError:
        return name
