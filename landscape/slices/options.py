"""The options of a study of slices: what they may be, and their defaults."""

from __future__ import annotations

from collections.abc import Sequence

from attacks import parse
from attacks.recipe_lists import is_control
from core.errors import InputError, unknown_name
from core.options import split_list
from landscape.slices.kinds import ALL, LINES, SLICES

WIDER = 1.5
"""The default radius, in multiples of the longest step that the attacks may make."""
FARTHER = 16
"""The default reach, in multiples of the radius."""


def default_radius(recipes: Sequence[str], pixels: int) -> float:
    """Return the l2 radius of the slices: somewhat more than the attacks may move an image.

    Without an attack that has a radius it is 1.2 % of the diagonal of the box.

    >>> default_radius(["fgsm(norm=linf, eps=0.2)", "pgd(norm=l2, eps=1.0)"], 64)
    2.4
    """
    lengths = []
    for name in recipes:
        recipe = parse(name)
        eps, norm = recipe.get("eps"), recipe.get("norm")
        if eps is not None and not is_control(name):
            lengths.append(float(eps) * pixels**0.5 if norm == "linf" else float(eps))
    longest = max((x for x in lengths if x > 0), default=0.008 * pixels**0.5)
    return float(f"{WIDER * longest:.2g}")


def kinds_of(slices: Sequence[str] | str) -> tuple[str, ...]:
    """Return the kinds of slices that are asked for, in their order.

    Raises:
        InputError: one is unknown, there is none, or none that is a direction of lines.

    >>> kinds_of("twin,random")
    ('random', 'twin')
    """
    kinds = split_list(slices, "--slices")
    for kind in kinds:
        if kind not in (*SLICES, ALL):
            raise unknown_name("--slices", kind, (*SLICES, ALL))
    if not kinds or (ALL in kinds and len(kinds) > 1):
        raise InputError(f"--slices: expected {ALL}, or some of {', '.join(SLICES)}.")
    if not set(LINES) & {*kinds} and kinds != [ALL]:
        raise InputError(
            "--slices: three_inputs is a plane; give at least one direction of lines, too: "
            f"{', '.join(LINES)}."
        )
    return SLICES if kinds == [ALL] else tuple(kind for kind in SLICES if kind in kinds)


def named_group(name: str | None, attacking: Sequence[str]) -> str | None:
    """Return the group that is asked for.

    Raises:
        InputError: there is no such attack.
    """
    if name is None or name in attacking:
        return name
    try:
        canonical = str(parse(name, argument="--twins"))
    except InputError:
        canonical = name
    if canonical not in attacking:
        raise unknown_name("--twins", name, attacking)
    return canonical


def has_radius(group: str) -> bool:
    """Say whether a recipe has a radius; those without one end at the boundary."""
    return parse(group).get("eps") is not None
