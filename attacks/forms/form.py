"""A form: what an attack can be told, each setting with its type, range and default."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


def no_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """Every combination of settings is fine."""
    return None


def no_gradients(values: dict[str, Any]) -> int:
    """The attack asks for none."""
    return 0


@dataclass(frozen=True)
class Setting:
    """One setting of an attack.

    Attributes:
        name: as it is written in a recipe.
        kind: `number`, `integer`, `flag`, `choice`, `path` or `recipe`.
        help: what it does, with its unit.
        default: a value, a function of the other settings' values, or `...` if one must be given.
        least: the smallest valid number.
        above: numbers must be larger than this.
        most: the largest valid number.
        choices: the valid words.
        shown: whether the canonical string has it even at its default.
        example: for the message that it is missing.
    """

    name: str
    kind: str
    help: str
    default: Any = ...
    least: float = -math.inf
    above: float = -math.inf
    most: float = math.inf
    choices: tuple[str, ...] = ()
    shown: bool = False
    example: str = ""

    def problem(self, value: Any) -> str | None:
        """Return what the value must be, or None where it is that."""
        if self.kind == "choice":
            return None if value in self.choices else " or ".join(self.choices)
        if self.kind == "flag":
            return None if isinstance(value, bool) else "true or false"
        if self.kind == "recipe":
            attack = value is not None and not getattr(value, "control", True)
            return None if attack else "a recipe of an attack, such as pgd(norm=linf, eps=8/255)"
        if self.kind == "path":
            fits = isinstance(value, str) and value and not {"'", '"'} <= set(value)
            return None if fits else "the path of a file, without both kinds of quotation marks"
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind == "integer":
            is_number = is_number and isinstance(value, int)
        inside = is_number and self.least <= value <= self.most and value > self.above
        return None if inside and math.isfinite(value) else self.range()

    def range(self) -> str:
        """Return the valid numbers in words."""
        noun = "an integer" if self.kind == "integer" else "a number"
        low = f" above {self.above:g}" if self.above > -math.inf else ""
        low = f" of at least {self.least:g}" if self.least > -math.inf else low
        high = f" and at most {self.most:g}" if self.most < math.inf else ""
        return noun + low + high


@dataclass(frozen=True)
class Form:
    """An attack's name, what it is, and its settings in their canonical order.

    Attributes:
        name: as it is written in a recipe.
        title: for figures and tables.
        help: one sentence.
        settings: in canonical order.
        conflict: given all values and the names that were written out, what is wrong with their
            combination, or None.
        gradients: given all values, the most backward passes that are spent on one image; infinite
            where that depends on the classes or the size of the image.
        control: whether it is no attack but what attacks are compared with.
        source: the papers that it comes from; "" where there is none.
    """

    name: str
    title: str
    help: str
    settings: tuple[Setting, ...]
    conflict: Callable[[dict[str, Any], frozenset[str]], str | None] = field(default=no_conflict)
    gradients: Callable[[dict[str, Any]], float] = field(default=no_gradients)
    control: bool = False
    source: str = ""

    @cached_property
    def by_name(self) -> dict[str, Setting]:
        """The settings by name."""
        return {setting.name: setting for setting in self.settings}
