"""The options of a study of noise, checked by themselves, and their defaults."""

from __future__ import annotations

from collections.abc import Sequence

from attacks.defaults import TRANSFER_EPS
from core.errors import InputError
from core.options import float_list, number, positive, split_list, within

SCALES = {"digits": (0.025, 0.05, 0.1, 0.2, 0.4), "photographs": (0.025, 0.05, 0.1, 0.2)}
"""Of the noise in the classifier, by kind of images."""
WORST_LINF = {"digits": 0.05, "photographs": 1 / 255}
"""The middle ones of the radii that `landscape.flatness` has by default."""


def kind_of(data: str) -> str:
    """Return the kind of images that defaults depend on: `digits` or `photographs`."""
    return "digits" if data == "digits" else "photographs"


def check_numbers(
    *,
    gradients: int,
    batch_size: int,
    threads: int,
    worst_case_steps: int,
    draws: int,
    path_points: int,
    path_examples: int | None,
    followed_examples: int | None,
    drawn_examples: int,
) -> None:
    """Raise an InputError that names the first number which cannot be used."""
    for name, value in (
        ("gradients", gradients),
        ("batch_size", batch_size),
        ("threads", threads),
    ):
        positive(value, f"--{name}")
    within(worst_case_steps, 2, float("inf"), "--worst_case_steps")
    within(path_points, 3, float("inf"), "--path_points")
    for name, few in (
        ("path_examples", path_examples),
        ("followed_examples", followed_examples),
        ("drawn_examples", drawn_examples),
    ):
        within(0 if few is None else few, 0, float("inf"), f"--{name}")
    if draws < 4 or draws % 2:
        raise InputError(f"--draws: expected an even number of at least 4, found {draws}.")


def radius_of(eps: float | str | None, kind: str, *, default_recipes: bool) -> str:
    """Return the radius of the default recipes, as a recipe has it.

    Raises:
        InputError: it is not a number above 0, or the recipes are not the default ones.

    >>> radius_of(None, "photographs", default_recipes=True)
    '8/255'
    """
    if eps is not None and not default_recipes:
        raise InputError(
            "--eps: is the radius of the default recipes; with --attacks say it there."
        )
    radius = TRANSFER_EPS[kind] if eps is None else str(eps)
    positive(number(radius, "--eps"), "--eps")
    return radius


def kinds_of(noisy: Sequence[str] | str) -> tuple[str, ...]:
    """Return the kinds of noisy classifiers.

    Raises:
        InputError: one is given twice.
    """
    kinds = split_list(noisy, "--noisy")
    if len(set(kinds)) < len(kinds):
        raise InputError("--noisy: the same kind is given twice.")
    return tuple(kinds)


def scales_of(given: Sequence[float] | str | None, default: tuple[float, ...]) -> tuple[float, ...]:
    """Return scales in ascending order, none twice; `""` is none at all.

    >>> scales_of("0.2, 0.1", ()), scales_of("", (0.1,))
    ((0.1, 0.2), ())
    """
    values = default if given is None else tuple(float_list(given or [], "--noise_scales"))
    return tuple(sorted(set(values)))


def lengths_of(
    given: Sequence[float] | str | None, name: str, default: tuple[float, ...]
) -> tuple[float, ...]:
    """Return lengths in ascending order, none twice.

    Raises:
        InputError: there is none, or one is not above 0.
    """
    values = default if given is None else tuple(float_list(given, f"--{name}"))
    if not values or not all(0 < v < float("inf") for v in values):
        raise InputError(f"--{name}: expected lengths above 0, found {list(values)}.")
    return tuple(sorted(set(values)))
