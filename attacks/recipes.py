"""Recipes: an attack with its settings, written as one string.

`pgd(norm=linf, eps=8/255, steps=40)` is parsed, checked against what the attack accepts, and filled
in with the defaults of what was left out. `str(recipe)` is the canonical form: it parses back to an
equal recipe. The grammar, in full:

    recipe  = name [ "(" [ setting { "," setting } ] ")" ]
    setting = name "=" value
    value   = number | number "/" number | true | false | name | recipe | path
    path    = "'" characters other than "'" "'", or the same between double quotes
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from attacks.forms import FORMS
from attacks.forms.form import Form, Setting
from core.errors import InputError, unknown_name

TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<path>'[^']+'|\"[^\"]+\")|(?P<mark>[(),=/]))",
    re.ASCII,
)
Value = Any
MAIN = ("norm", "eps", "radius")
"""The settings that names of recipes give first, without saying what they are."""


@dataclass(frozen=True)
class Recipe:
    """An attack's name and all of its settings, in the order of its form.

    `recipe["eps"]` is a setting's value (`None` where it does not apply), `str(recipe)` the
    canonical string, `recipe.full` the same with every setting written out.

    >>> recipe = parse("pgd(eps=8/255)")
    >>> recipe["norm"], recipe["steps"], str(recipe)
    ('linf', 40, 'pgd(norm=linf, eps=8/255, steps=40)')
    >>> recipe.gradients
    40
    """

    name: str
    settings: tuple[tuple[str, Value], ...]

    def __getitem__(self, setting: str) -> Value:
        return dict(self.settings)[setting]

    def get(self, setting: str, default: Value = None) -> Value:
        """Return the setting's value, or the default where the attack has no such setting."""
        return dict(self.settings).get(setting, default)

    @property
    def gradients(self) -> float:
        """The most backward passes that the recipe spends on one image; infinite if unknown."""
        return FORMS[self.name].gradients(dict(self.settings))

    @property
    def control(self) -> bool:
        """Whether it is no attack but what attacks are compared with, such as noise."""
        return FORMS[self.name].control

    @property
    def full(self) -> str:
        """The recipe with every setting that applies written out."""
        return _written(self.name, [(k, v) for k, v in self.settings if v is not None])

    def __str__(self) -> str:
        form = FORMS[self.name]
        return _written(
            self.name,
            [
                (setting.name, value)
                for setting, (_, value) in zip(form.settings, self.settings, strict=True)
                if value is not None
                and (setting.shown or value != _default(setting, dict(self.settings)))
            ],
        )


def parse(
    text: str | Recipe, *, argument: str = "--attacks", gradients: int | None = None
) -> Recipe:
    """Return the recipe that the string says, its defaults filled in.

    Args:
        text: of the grammar above; a recipe is returned as it is.
        argument: for messages.
        gradients: the most backward passes that an image may cost: where the string leaves the
            number of steps open, the recipe has as many as that allows.

    Raises:
        InputError: the string is not of the grammar, names an unknown attack or setting, or gives a
            setting of the wrong type or out of range; the message names `argument`.

    >>> str(parse("noise(like=pgd(eps=2/255))"))
    'noise(like=pgd(norm=linf, eps=2/255, steps=40))'
    >>> str(parse("pgd(eps=2/255, restarts=2)", gradients=10))
    'pgd(norm=linf, eps=2/255, steps=5, restarts=2)'
    """
    if isinstance(text, Recipe):
        return text
    return _Reader(str(text), argument, gradients).recipe_alone()


def filled(name: str, given: dict[str, Value]) -> Recipe:
    """Return the recipe with these settings, and the defaults of what is not given.

    Where a recipe's string has the name of a choice a function may stand; such a recipe can be
    crafted by, but its string cannot be parsed.

    Raises:
        InputError: the attack has no such setting, or a value of the wrong type or out of range;
            the message names the setting.

    >>> str(filled("pgd", {"norm": "l2", "eps": 0.5}))
    'pgd(norm=l2, eps=0.5, steps=40)'
    """
    form, taken = FORMS[name], dict(given)
    for key, value in given.items():
        if key not in form.by_name:
            raise InputError(f"{key}: {form.title} has no such setting, found {_text(value)}.")
        setting = form.by_name[key]
        if callable(value) and setting.kind == "choice":
            continue
        problem = setting.problem(value)
        if problem:
            quoted = isinstance(value, str) and setting.kind != "choice"
            found = repr(value) if quoted else _text(value)
            raise InputError(f"{key}: must be {problem}, found {found}.")
        taken[key] = float(value) if setting.kind == "number" else value
    values, problem = _completed(form, taken)
    if problem:
        raise InputError(f"{problem}.")
    return Recipe(name, tuple(values.items()))


def _completed(form: Form, given: dict[str, Value]) -> tuple[dict[str, Value], str | None]:
    """Return all values, and what is wrong with them together, or None."""
    values: dict[str, Value] = {}
    for setting in form.settings:
        known = {**given, **values}
        if setting.name in given:
            values[setting.name] = given[setting.name]
        elif setting.default is ...:
            return values, f"{form.name} needs {setting.name} (such as {setting.example})"
        else:
            values[setting.name] = _default(setting, known)
    problem = form.conflict(values, frozenset(given))
    return values, problem and f"{form.name}: {problem}"


def _steps_within(form: Form, given: dict[str, Value], gradients: int) -> int:
    """Return the most steps with which a recipe spends no more gradients; the fewest if none do."""
    low, high = int(form.by_name["steps"].least), gradients
    while low < high:  # more steps never cost less
        middle = (low + high + 1) // 2
        values, problem = _completed(form, {**given, "steps": middle})
        within = problem is not None or form.gradients(values) <= gradients
        low, high = (middle, high) if within else (low, middle - 1)
    return low


def label(recipe: Recipe) -> str:
    """Return a short name for figures and tables, for instance `PGD linf 8/255`.

    Defaults are left out, but for the scale of noise in a classifier's parameters. It tells what
    is made, not at what cost: whether examples stop at their first success is left out, and so are
    the paths of files, so that two recipes may share a name.

    >>> label(parse("pgd(eps=8/255)")), label(parse("minnorm(steps=200)"))
    ('PGD linf 8/255', 'minimum-norm l2, steps=200')
    >>> label(parse("fgsm(eps=8/255, noisy=filter)"))
    'FGSM linf 8/255, noisy=filter, noise_scale=0.1'
    """
    form = FORMS[recipe.name]
    like = recipe.get("like")
    if like is not None:
        return f"{form.title} like {label(like)}"
    values = dict(recipe.settings)
    main = [_text(values[key]) for key in MAIN if values.get(key) is not None]
    others = [
        f", {setting.name}={_text(values[setting.name])}"
        for setting in form.settings
        if setting.name not in (*MAIN, "like", "stop", "patience")
        and setting.kind != "path"
        and values[setting.name] is not None
        and (setting.name == "noise_scale" or values[setting.name] != _default(setting, values))
    ]
    return " ".join([form.title, *main]) + "".join(others)


def slug(recipe: Recipe) -> str:
    """Return a short, unique name for files, for instance `pgd-linf-8_255-9c1f02ab`.

    >>> slug(parse("pgd(eps=8/255)")) == slug(parse("pgd(norm=linf, eps=8/255, steps=40)"))
    True
    """
    shown = recipe.get("like") or recipe
    parts = [recipe.name, *([shown.name] if shown is not recipe else [])]
    parts += [_text(shown[key]) for key in MAIN if shown.get(key) is not None]
    digest = hashlib.sha256(recipe.full.encode()).hexdigest()[:8]
    return "-".join([*(re.sub(r"[^a-z0-9.]+", "_", part.lower()) for part in parts), digest])


def _default(setting: Setting, values: dict[str, Value]) -> Value:
    return setting.default(values) if callable(setting.default) else setting.default


def _written(name: str, settings: list[tuple[str, Value]]) -> str:
    kinds = {setting.name: setting.kind for setting in FORMS[name].settings}
    said = (
        f"{key}={_quoted(value) if kinds[key] == 'path' else _text(value)}"
        for key, value in settings
    )
    return f"{name}({', '.join(said)})"


def _quoted(path: str) -> str:
    """Write a path, which holds at most one kind of quotation marks, between the other."""
    return f'"{path}"' if "'" in path else f"'{path}'"


def _text(value: Value) -> str:
    """Write a value so that it reads back as the very same: a short fraction if it is one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        plain = f"{value:g}" if float(f"{value:g}") == value else repr(value)
        if not math.isfinite(value) or len(plain) <= 8:
            return plain
        fraction = Fraction(value).limit_denominator(10_000)
        exact = fraction.numerator / fraction.denominator == value
        return str(fraction) if exact else plain
    return getattr(value, "__name__", None) or str(value)


class _Reader:
    """Reads one recipe string from left to right."""

    def __init__(self, text: str, argument: str, gradients: int | None = None) -> None:
        self.text = text
        self.argument = argument
        self.gradients = gradients
        self.tokens: list[tuple[str, str, int]] = []
        position = 0
        while text[position:].strip():
            match = TOKEN.match(text, position)
            if match is None:
                position += len(text[position:]) - len(text[position:].lstrip())
                raise self.error(f"cannot read {text[position]!r} at character {position + 1}")
            kind = str(match.lastgroup)
            self.tokens.append((kind, match.group(kind), match.start(kind)))
            position = match.end()
        self.at = 0

    def error(self, problem: str) -> InputError:
        """Return the error that names the argument and the string."""
        return InputError(f"{self.argument}: {problem} in {self.text!r}.")

    def peek(self) -> str | None:
        """Return the next token without taking it."""
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def take(self, kind: str, wanted: str) -> str:
        """Return the next token, which has to be of this kind or this very mark."""
        if self.at >= len(self.tokens):
            raise self.error(f"expected {wanted} at the end")
        found_kind, found, position = self.tokens[self.at]
        if kind not in (found_kind, found):
            raise self.error(f"expected {wanted} but found {found!r} at character {position + 1}")
        self.at += 1
        return found

    def recipe_alone(self) -> Recipe:
        """Read the whole string as one recipe."""
        recipe = self.recipe()
        if self.at < len(self.tokens):
            _, found, position = self.tokens[self.at]
            raise self.error(f"nothing may follow the recipe, but {found!r} does at {position + 1}")
        return recipe

    def recipe(self) -> Recipe:
        """Read a name and its settings in brackets."""
        name = self.take("name", "the name of an attack")
        if name not in FORMS:
            raise unknown_name(f"{self.argument}: in {self.text!r}", name, FORMS)
        form = FORMS[name]
        given: dict[str, Value] = {}
        if self.peek() == "(":
            self.take("(", "'('")
            while self.peek() != ")":
                key = self.take("name", "the name of a setting")
                if key not in form.by_name:
                    raise unknown_name(f"{self.argument}: setting of {name}", key, form.by_name)
                if key in given:
                    raise self.error(f"{key} is given twice")
                self.take("=", f"'=' after {key}")
                setting = form.by_name[key]
                given[key] = self.checked(setting, name, self.value(setting.kind))
                if self.peek() != ")":
                    self.take(",", "',' or ')'")
            self.take(")", "')'")
        return self.filled(form, given)

    def value(self, kind: str) -> Value:
        """Read a number, a fraction, true or false, a word, a path or a recipe.

        A path or a recipe only where the setting is of that kind.
        """
        if kind == "path":
            return self.take("path", "a path in quotation marks")[1:-1]
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "number":
            number = self.number()
            if self.peek() != "/":
                return number
            self.take("/", "'/'")
            divisor = self.number()
            if divisor == 0:
                raise self.error("a number is divided by zero")
            return number / divisor
        word = self.take("name", "a value")
        if word in ("true", "false"):
            return word == "true"
        if self.peek() == "(" or (kind == "recipe" and word in FORMS):
            self.at -= 1
            return self.recipe()
        return word

    def number(self) -> int | float:
        """Read one number: an integer where it is written as one."""
        text = self.take("number", "a number")
        return int(text) if re.fullmatch(r"[-+]?\d{1,15}", text) else float(text)

    def checked(self, setting: Setting, attack: str, value: Value) -> Value:
        """Return the value in the setting's type, or raise what is wrong with it."""
        problem = setting.problem(value)
        if problem:
            found = _text(value)
            raise InputError(
                f"{self.argument}: {setting.name} of {attack} must be {problem}, found {found}."
            )
        return float(value) if setting.kind == "number" else value

    def filled(self, form: Form, given: dict[str, Value]) -> Recipe:
        """Return the recipe with the defaults of what was not given."""
        if self.gradients is not None and "steps" in form.by_name and "steps" not in given:
            given = {**given, "steps": _steps_within(form, given, self.gradients)}
        values, problem = _completed(form, given)
        if problem:
            raise self.error(problem)
        return Recipe(form.name, tuple(values.items()))
