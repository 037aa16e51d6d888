"""Attacks that climb inside a ball: FGSM and PGD."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from attacks.forms.common import EPS, NOISE_SCALE, NOISY, NORM, TARGETED, noisy_conflict
from attacks.forms.form import Form, Setting

OBJECTIVES = ("cross_entropy", "margin", "log_probability", "dlr", "logit")
STEPS = ("steepest", "sign", "normalised", "plain")
ADAPTIVE = ("adam", "adamw", "adamax", "nadam", "radam", "rmsprop", "rprop", "adagrad")
TORCH = (*ADAPTIVE, "sgd", "adadelta", "asgd")
TRANSFORM_SCALES = {"diverse": 0.1, "shift": 0.1, "noise": 0.05}
LIKE_STEEPEST = {"linf": ("sign", *ADAPTIVE), "l2": ("normalised",), "l1": ()}
BALL = replace(NORM, choices=("linf", "l2", "l1"))


def default_step_size(values: dict[str, Any]) -> float:
    """A quarter of the radius: on trained nets it wins sooner, and not less often, than a tenth.

    Steps that shrink begin with the whole radius.
    """
    return float(values["eps"]) / (1 if values.get("schedule") == "cosine" else 4)


def pgd_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """What does not go together, see the messages."""
    optimiser = values["optimiser"]
    if values["restarts"] > 1 and not values["random_start"]:
        # Restarts from the same point would repeat themselves.
        return "restarts need random_start=true"
    if values["patience"] and (together := in_lockstep(values)):
        return f"patience does not go with {together}: all examples take the same number of steps"
    if "step_size" not in given and not has_natural_length(optimiser, values["norm"]):
        return (
            f"optimiser={getattr(optimiser, '__name__', optimiser)} in {values['norm']} needs "
            "step_size, its learning rate: the radius does not tell it"
        )
    if values["momentum"] and optimiser in TORCH and optimiser not in ("sgd", "rmsprop"):
        return f"optimiser={optimiser} has no momentum to set"
    if values["transform_scale"] is not None and values["transform"] not in TRANSFORM_SCALES:
        return f"transform_scale needs transform={' or '.join(TRANSFORM_SCALES)}"
    if values["transform"] in ("diverse", "shift") and values["transform_scale"] > 1:
        return f"transform_scale must be at most 1, found {values['transform_scale']:g}"
    if values["samples"] > 1 and values["transform"] is None and values["noisy"] is None:
        return "samples need a transform or noisy: all of them would be the same"
    return noisy_conflict(values, given)


def in_lockstep(values: dict[str, Any]) -> str | None:
    """What makes the examples of a batch take their steps together, if anything does."""
    for name in ("noisy", "transform"):
        if values.get(name) is not None:
            return name
    return None if values.get("optimiser", "steepest") in STEPS else "an optimiser of torch"


def has_natural_length(optimiser: Any, norm: str) -> bool:
    """Whether the length of a step is one in the norm of the ball."""
    return optimiser == "steepest" or optimiser in LIKE_STEEPEST[norm]


FGSM = Form(
    "fgsm",
    "FGSM",
    "One step of full length along the gradient.",
    (BALL, EPS, NOISY, NOISE_SCALE, TARGETED),
    noisy_conflict,
    lambda values: 1,
    source="Goodfellow et al. 2015, Explaining and harnessing adversarial examples",
)

PGD = Form(
    "pgd",
    "PGD",
    "Projected gradient ascent inside the ball.",
    (
        BALL,
        EPS,
        Setting("steps", "integer", "gradient steps", 40, least=1, most=10**6, shown=True),
        Setting(
            "step_size",
            "number",
            "length of the first step in the norm, in input units, or the learning rate of "
            "optimiser=plain and those of torch; if not given, a quarter of eps, or eps where "
            "the schedule is cosine",
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
            "share of the direction so far that is added to a gradient of l1 norm 1 (to the "
            "gradient as it is for optimiser=plain; sgd and rmsprop have their own)",
            0.0,
            least=0,
            most=1,
        ),
        Setting(
            "optimiser",
            "choice",
            "how a gradient becomes a step: steepest in the norm, its sign, the gradient with l2 "
            "norm 1, the gradient as it is, or an optimiser of torch",
            "steepest",
            choices=(*STEPS, *TORCH),
        ),
        Setting(
            "objective",
            "choice",
            "what is climbed; logit: the label's logit falls or the target's rises",
            "cross_entropy",
            choices=OBJECTIVES,
        ),
        Setting(
            "langevin",
            "number",
            "standard deviation of the Gaussian noise that is added to the first step, in input "
            "units; it shrinks with the square root of the steps",
            0.0,
            least=0,
        ),
        Setting(
            "transform",
            "choice",
            "the gradient is taken at a changed copy of the image: shrunk and padded (diverse), "
            "shifted, or with Gaussian noise; the image as it is judges the success",
            None,
            choices=tuple(TRANSFORM_SCALES),
        ),
        Setting(
            "transform_scale",
            "number",
            "the most that diverse takes off a side or shift moves by, as a share of the side, "
            "or the standard deviation of the noise in input units",
            lambda values: TRANSFORM_SCALES.get(values.get("transform")),
            above=0,
        ),
        Setting(
            "samples",
            "integer",
            "the gradient is the mean over so many copies of the image, each with its own "
            "transform and noisy classifier",
            1,
            least=1,
            most=10**6,
        ),
        NOISY,
        NOISE_SCALE,
        Setting(
            "stop",
            "flag",
            "an example stops at its first success; true, except where noisy or transform is "
            "given: there it costs one more forward pass per step, and without it the last "
            "point of a run is kept",
            lambda values: values.get("noisy") is None and values.get("transform") is None,
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
    lambda values: values["restarts"] * values["steps"] * values["samples"],
    source="Madry et al. 2018, Towards deep learning models resistant to adversarial attacks",
)
