"""Values of options: lists in one string, numbers and their ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeVar

from core.errors import InputError

Number = TypeVar("Number", int, float)
_CLOSING = {"(": ")", "[": "]"}
_QUOTES = "'\""


def split_list(value: Sequence[str] | str | None, argument: str) -> list[str]:
    """Return the items of a list given as a list, or as one text with commas between the items.

    Commas inside brackets belong to the item, and whatever stands between quotation marks inside
    brackets; `None` is the empty list.

    Raises:
        InputError: unbalanced brackets, an empty item, or an item that is no text.

    >>> split_list("fgsm(eps=1/255), pgd(norm=linf, eps=8/255)", "--attacks")
    ['fgsm(eps=1/255)', 'pgd(norm=linf, eps=8/255)']
    """
    if value is None:
        return []
    if not isinstance(value, str):
        odd = [item for item in value if not isinstance(item, str)]
        if odd:
            raise InputError(f"{argument}: found {odd[0]!r}, expected a list of texts.")
        return _no_empty([item.strip() for item in value], argument)
    items = [""]
    expected: list[str] = []
    for character in value:
        if expected and expected[-1] in _QUOTES:
            if character == expected[-1]:
                expected.pop()
        elif expected and character in _QUOTES:
            expected.append(character)
        elif character == "," and not expected:
            items.append("")
            continue
        elif character in _CLOSING:
            expected.append(_CLOSING[character])
        elif character in _CLOSING.values() and (not expected or expected.pop() != character):
            raise InputError(f"{argument}: {character!r} without its partner in {value!r}.")
        items[-1] += character
    if expected:
        raise InputError(f"{argument}: {expected[-1]!r} is missing in {value!r}.")
    return _no_empty([item.strip() for item in items], argument)


def float_list(value: Sequence[float | str] | float | str | None, argument: str) -> list[float]:
    """Return the numbers of a list given as a list, a number, or one text with commas.

    Fractions such as `8/255` are understood.

    Raises:
        InputError: an item is not a finite number.

    >>> float_list("0, 0.5, 8/255", "--radii") == [0.0, 0.5, 8 / 255]
    True
    """
    if isinstance(value, int | float):
        return [number(value, argument)]
    if value is None or isinstance(value, str):
        return [number(item, argument) for item in split_list(value, argument)]
    return [number(item, argument) for item in value]


def number(value: float | str, argument: str) -> float:
    """Return a finite number, given as a number or as a text such as `0.5`, `1e-3` or `8/255`.

    Raises:
        InputError: it is not one.

    >>> number("8/255", "--eps") == 8 / 255
    True
    """
    try:
        # Not float(Fraction(text)) for decimals: Fraction("1e-400") and the like are no floats.
        found = float(Fraction(value)) if isinstance(value, str) and "/" in value else float(value)
    except (ValueError, TypeError, OverflowError, ZeroDivisionError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise InputError(f"{argument}: found {value!r}, expected a number such as 0.5 or 8/255.")
    return found


def positive(value: Number, argument: str) -> Number:
    """Return the value if it is above zero.

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InputError(f"{argument}: found {value!r}, expected a number above 0.")
    if math.isinf(value):
        raise InputError(f"{argument}: found {value!r}, expected a finite number.")
    return value


def within(value: Number, low: float, high: float, argument: str) -> Number:
    """Return the value if it lies in [low, high].

    Raises:
        InputError: it does not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        expected = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise InputError(f"{argument}: found {value!r}, expected a number {expected}.")
    return value


def _no_empty(items: list[str], argument: str) -> list[str]:
    if items == [""]:
        return []
    if "" in items:
        raise InputError(f"{argument}: an item of the list is empty in {', '.join(items)!r}.")
    return items
