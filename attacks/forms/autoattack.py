"""APGD, away from the label or towards one class after the other."""

from __future__ import annotations

from typing import Any

from attacks.forms.common import EPS, NOISE_SCALE, NOISY, NORM, TARGETED, noisy_conflict
from attacks.forms.form import Form, Setting

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
    "the step size is halved at a checkpoint if fewer than this share of steps gained",
    0.75,
    least=0,
    most=1,
)


def apgd_gradients(values: dict[str, Any]) -> int:
    """One per step of every run towards every target."""
    return int(values["restarts"] * values["steps"] * values.get("targets", 1))


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
)

APGDT = Form(
    "apgdt",
    "targeted APGD",
    "APGD towards one likely class after the other, by the targeted difference of logits ratio.",
    (NORM, EPS, TARGET_STEPS, TARGETS, RESTARTS, RHO),
    gradients=apgd_gradients,
)
