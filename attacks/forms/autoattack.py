"""AutoAttack and its four parts: APGD, targeted APGD, targeted FAB and the Square Attack."""

from __future__ import annotations

from typing import Any

from attacks.forms.common import EPS, NOISE_SCALE, NOISY, NORM, TARGETED, noisy_conflict
from attacks.forms.form import Form, Setting

RELIABLE = "Croce and Hein 2020, Reliable evaluation of adversarial robustness"
APGD_OBJECTIVES = ("cross_entropy", "dlr")
STEPS = Setting("steps", "integer", "gradient steps", 100, least=1, most=10**6, shown=True)
TARGET_STEPS = Setting(
    "steps",
    "integer",
    "gradient steps towards each target class",
    100,
    least=1,
    most=10**6,
    shown=True,
)
TARGETS = Setting(
    "targets",
    "integer",
    "target classes, by their logit at the image; fewer where the classifier has no more",
    9,
    least=1,
    most=10**6,
    shown=True,
)
RESTARTS = Setting("restarts", "integer", "runs from fresh random starts", 1, least=1, most=10**6)
RHO = Setting(
    "rho",
    "number",
    "the step size is halved at a checkpoint unless more than this share of steps gained",
    0.75,
    least=0,
    most=1,
)
QUERIES = Setting(
    "queries", "integer", "points proposed after the first", 5000, least=1, most=10**6, shown=True
)


def apgd_gradients(values: dict[str, Any]) -> int:
    """One per step of every run towards every target."""
    return int(values["restarts"] * values["steps"] * values.get("targets", 1))


def fab_gradients(values: dict[str, Any]) -> int:
    """One per step; one in vain when a step wins that was not expected to, every other at most."""
    return int(values["targets"] * (values["steps"] + (values["steps"] + 1) // 2))


def autoattack_gradients(values: dict[str, Any]) -> int:
    """Those of its parts together."""
    once = {"restarts": 1, **values}
    return int(values["steps"]) + apgd_gradients(once) + fab_gradients(values)


APGD = Form(
    "apgd",
    "APGD",
    "Projected gradient ascent whose step size adapts to how the climb goes.",
    (
        NORM,
        EPS,
        STEPS,
        Setting("objective", "choice", "what is climbed", "cross_entropy", choices=APGD_OBJECTIVES),
        RESTARTS,
        RHO,
        NOISY,
        NOISE_SCALE,
        TARGETED,
    ),
    noisy_conflict,
    apgd_gradients,
    source=RELIABLE,
)

APGDT = Form(
    "apgdt",
    "targeted APGD",
    "APGD towards one likely class after the other, by the targeted difference of logits ratio.",
    (NORM, EPS, TARGET_STEPS, TARGETS, RESTARTS, RHO, NOISY, NOISE_SCALE),
    noisy_conflict,
    gradients=apgd_gradients,
    source=RELIABLE,
)

FAB = Form(
    "fab",
    "FAB",
    "The nearest misclassified point, by projections onto the linearised boundary.",
    (
        NORM,
        Setting(
            "eps",
            "number",
            "an example stops at its first success within this radius, in input units, and has "
            "none beyond it; if not given, the nearest success is looked for",
            None,
            above=0,
            shown=True,
        ),
        TARGET_STEPS,
        TARGETS,
    ),
    gradients=fab_gradients,
    source="Croce and Hein 2020, Minimally distorted adversarial examples with a fast adaptive "
    "boundary attack",
)

SQUARE = Form(
    "square",
    "Square",
    "Random search by squares, without gradients.",
    (
        NORM,
        EPS,
        QUERIES,
        Setting(
            "p_init",
            "number",
            "share of the image that the first squares have",
            0.8,
            least=0,
            most=1,
        ),
        Setting(
            "rescheduled",
            "flag",
            "the squares' schedule, made for 10,000 queries, is fitted to those that there are",
            False,
        ),
        TARGETED,
    ),
    source="Andriushchenko et al. 2020, Square attack: a query-efficient black-box adversarial "
    "attack via random search",
)

AUTOATTACK = Form(
    "autoattack",
    "AutoAttack",
    "APGD, targeted APGD, FAB and Square, each on the examples that those before left.",
    (NORM, EPS, TARGET_STEPS, TARGETS, QUERIES),
    gradients=autoattack_gradients,
    source=RELIABLE,
)
