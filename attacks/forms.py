"""What each attack can be told: its settings with their types, ranges, defaults and meanings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

NOISES = ("gaussian", "filter", "dropout")
OBJECTIVES = ("cross_entropy", "margin", "log_probability")


def no_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """Every combination of settings is fine."""
    return None


@dataclass(frozen=True)
class Setting:
    """One setting of an attack.

    Attributes:
        name: as it is written in a recipe.
        kind: `number`, `integer`, `flag`, `choice` or `recipe`.
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
            steps = getattr(value, "name", None) not in (None, "noise")
            return None if steps else "a recipe of an attack, such as pgd(norm=linf, eps=8/255)"
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
    """

    name: str
    title: str
    help: str
    settings: tuple[Setting, ...]
    conflict: Callable[[dict[str, Any], frozenset[str]], str | None] = field(default=no_conflict)

    @cached_property
    def by_name(self) -> dict[str, Setting]:
        """The settings by name."""
        return {setting.name: setting for setting in self.settings}


NORM = Setting("norm", "choice", "norm of the ball", "linf", choices=("linf", "l2"), shown=True)
EPS = Setting(
    "eps", "number", "radius of the ball, in input units", above=0, shown=True, example="eps=8/255"
)
TARGETED = Setting(
    "targeted", "flag", "climb towards a target class instead of away from the label", False
)
NOISY = Setting(
    "noisy",
    "choice",
    "the gradient of each step is that of a fresh classifier around the one attacked: gaussian "
    "noise relative to each tensor's root mean square, noise as long as a share of each filter, "
    "weights dropped, or weights that are given to craft; the one attacked judges the success",
    None,
    choices=(*NOISES, "weights"),
)
NOISE_SCALE = Setting(
    "noise_scale",
    "number",
    "the noise in the parameters relative to them, or the share of dropped weights",
    lambda values: 0.1 if values.get("noisy") in NOISES else None,
    least=0,
    shown=True,
)


def default_step_size(values: dict[str, Any]) -> float:
    """A quarter of the radius: on trained nets it wins sooner, and not less often, than a tenth.

    Steps that shrink begin with the whole radius.
    """
    return float(values["eps"]) / (1 if values.get("schedule") == "cosine" else 4)


def noisy_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """A scale needs a noise that has one."""
    noisy, scale = values["noisy"], values["noise_scale"]
    if scale is not None and noisy not in NOISES:
        return f"noise_scale needs noisy={' or noisy='.join(NOISES)}"
    if noisy == "dropout" and scale >= 1:
        return f"noise_scale of noisy=dropout must be below 1, found {scale:g}"
    return None


def pgd_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """Restarts from the same point would repeat themselves; noisy runs end at the same step."""
    if values["restarts"] > 1 and not values["random_start"]:
        return "restarts need random_start=true"
    if values["noisy"] is not None and values["patience"]:
        return "patience does not go with noisy: all examples take the same number of steps"
    return noisy_conflict(values, given)


def noise_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """The length comes either from a recipe or from the settings."""
    if values["like"] is not None and given & {"norm", "eps"}:
        return "like already says the norm and the length; leave norm and eps out"
    if values["like"] is None and values["eps"] is None:
        return "it needs eps (such as eps=8/255) or like (such as like=pgd(norm=linf, eps=8/255))"
    return None


FORMS = {
    form.name: form
    for form in (
        Form(
            "fgsm",
            "FGSM",
            "One step of full length along the gradient.",
            (NORM, EPS, NOISY, NOISE_SCALE, TARGETED),
            noisy_conflict,
        ),
        Form(
            "pgd",
            "PGD",
            "Projected gradient ascent inside the ball.",
            (
                NORM,
                EPS,
                Setting("steps", "integer", "gradient steps", 40, least=1, most=10**6, shown=True),
                Setting(
                    "step_size",
                    "number",
                    "length of the first step in the norm, in input units; if not given, a quarter "
                    "of eps, or eps where the schedule is cosine",
                    default_step_size,
                    above=0,
                ),
                Setting(
                    "restarts", "integer", "runs from fresh random starts", 1, least=1, most=10**6
                ),
                Setting("random_start", "flag", "start at a random point of the ball", True),
                Setting(
                    "schedule",
                    "choice",
                    "lengths of the steps: all the same, or falling to a tenth along a cosine",
                    "constant",
                    choices=("constant", "cosine"),
                ),
                Setting(
                    "momentum",
                    "number",
                    "share of the direction so far that is added to a gradient of l1 norm 1",
                    0.0,
                    least=0,
                    most=1,
                ),
                Setting(
                    "objective", "choice", "what is climbed", "cross_entropy", choices=OBJECTIVES
                ),
                NOISY,
                NOISE_SCALE,
                Setting(
                    "stop",
                    "flag",
                    "an example stops at its first success; true, except where noisy is given: "
                    "there it costs one more forward pass per step, and without it the last point "
                    "of a run is kept",
                    lambda values: values.get("noisy") is None,
                ),
                Setting(
                    "patience",
                    "integer",
                    "give an example up when so many steps in a row added less than a hundredth to "
                    "what its run had gained; 0: never",
                    0,
                    least=0,
                    most=10**6,
                ),
                TARGETED,
            ),
            pgd_conflict,
        ),
        Form(
            "minnorm",
            "minimum-norm",
            "The nearest misclassified point.",
            (
                Setting(
                    "norm", "choice", "norm that is minimised", "l2", choices=("l2",), shown=True
                ),
                Setting(
                    "steps",
                    "integer",
                    "points evaluated after the image",
                    99,
                    least=2,
                    most=10**6,
                    shown=True,
                ),
                TARGETED,
            ),
        ),
        Form(
            "noise",
            "noise",
            "The control: a random step of a given length.",
            (
                Setting(
                    "like",
                    "recipe",
                    "as long, per example, as this recipe's step in this recipe's norm",
                    None,
                    shown=True,
                ),
                Setting(
                    "norm",
                    "choice",
                    "norm of the length",
                    lambda values: None if values.get("like") is not None else "linf",
                    choices=("linf", "l2"),
                    shown=True,
                ),
                Setting(
                    "eps",
                    "number",
                    "length of the step, in input units",
                    None,
                    above=0,
                    shown=True,
                ),
            ),
            noise_conflict,
        ),
    )
}
