"""Attacks that climb inside a ball: FGSM and PGD."""

from __future__ import annotations

from typing import Any

from attacks.forms.common import EPS, NOISE_SCALE, NOISY, NORM, TARGETED, noisy_conflict
from attacks.forms.form import Form, Setting

OBJECTIVES = ("cross_entropy", "margin", "log_probability")


def default_step_size(values: dict[str, Any]) -> float:
    """A quarter of the radius: on trained nets it wins sooner, and not less often, than a tenth.

    Steps that shrink begin with the whole radius.
    """
    return float(values["eps"]) / (1 if values.get("schedule") == "cosine" else 4)


def pgd_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """Restarts from the same point would repeat themselves; noisy runs end at the same step."""
    if values["restarts"] > 1 and not values["random_start"]:
        return "restarts need random_start=true"
    if values["noisy"] is not None and values["patience"]:
        return "patience does not go with noisy: all examples take the same number of steps"
    return noisy_conflict(values, given)


FGSM = Form(
    "fgsm",
    "FGSM",
    "One step of full length along the gradient.",
    (NORM, EPS, NOISY, NOISE_SCALE, TARGETED),
    noisy_conflict,
    lambda values: 1,
)

PGD = Form(
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
        Setting("restarts", "integer", "runs from fresh random starts", 1, least=1, most=10**6),
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
        Setting("objective", "choice", "what is climbed", "cross_entropy", choices=OBJECTIVES),
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
    lambda values: values["restarts"] * values["steps"],
)
