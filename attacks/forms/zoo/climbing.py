"""What the climbs inside a ball have in common: their settings, and their form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attacks.forms.common import EPS, NOISE_SCALE, NOISY, TARGETED, noisy_conflict
from attacks.forms.form import Form, Setting
from attacks.forms.zoo.attack import ZooAttack

Values = dict[str, Any]

LINF = Setting("norm", "choice", "norm of the ball", "linf", choices=("linf",), shown=True)
L2 = Setting("norm", "choice", "norm of the ball", "l2", choices=("l2",), shown=True)
STEPS = Setting("steps", "integer", "gradient steps", 10, least=1, most=10**6, shown=True)
STEP_SIZE = Setting(
    "step_size",
    "number",
    "length of a step in the norm, in input units; if not given, a quarter of eps",
    lambda values: float(values["eps"]) / 4,
    above=0,
)
RANDOM_START = Setting("random_start", "flag", "start at a random point of the ball", True)
FROM_IMAGE = Setting("random_start", "flag", "start at a random point of the ball", False)
DRAWS = Setting("draws", "integer", "gradients that are added up at each step", 2, least=1)
NEIGHBOURS = Setting(
    "neighbours",
    "integer",
    "random points around the current one whose gradients tune its own",
    5,
    least=1,
    most=10**4,
)
REACH = Setting(
    "reach", "number", "how far away these points may be, as a multiple of eps", 1.5, above=0
)
DIVERSITY = (
    Setting(
        "resize_rate", "number", "side of the smallest image shown, of 1", 0.9, above=0, most=0.99
    ),
    Setting(
        "diversity", "number", "probability that a step sees a changed image", 0.5, least=0, most=1
    ),
)
KERNEL = (
    Setting(
        "kernel",
        "choice",
        "weights that smooth the gradient",
        "gaussian",
        choices=("gaussian", "linear", "uniform"),
    ),
    Setting("kernel_size", "integer", "side of these weights, in pixels", 15, least=1, most=999),
)
SMOOTHING = (
    Setting(
        "noise_type",
        "choice",
        "noise that the classifier is smoothed by",
        "gaussian",
        choices=("gaussian", "uniform"),
    ),
    Setting(
        "noise_sd",
        "number",
        "its standard deviation, or half the width of a uniform one, in input units",
        0.5,
        above=0,
    ),
    Setting("draws", "integer", "noisy images whose softmax is averaged", 5, least=1, most=10**4),
)
SPELLED = {"noise_type": {"gaussian": "guassian"}}
CLIMBING = {
    "eps": "eps",
    "steps": "steps",
    "step_size": "alpha",
}


def decay(default: float) -> Setting:
    """The momentum, under the default of its class."""
    return Setting(
        "momentum",
        "number",
        "share of the direction so far that is added to a gradient of mean absolute value 1",
        default,
        least=0,
    )


def by_steps(factor: Callable[[Values], int] = lambda values: 1) -> Callable[[Values], int]:
    """So many gradients at every step."""
    return lambda values: values["steps"] * factor(values)


EACH_STEP = by_steps()


def climb(
    name: str,
    title: str,
    made_by: str,
    help: str,
    source: str,
    *own: tuple[Setting, str],
    gradients: Callable[[Values], int] = EACH_STEP,
    targeted: bool = True,
    **needs: Any,
) -> ZooAttack:
    """An attack by gradient steps in the linf ball; `own` are its own settings and arguments."""
    settings = (LINF, EPS, STEPS, STEP_SIZE, *(setting for setting, _ in own), NOISY, NOISE_SCALE)
    form = Form(
        name,
        title,
        help,
        settings + ((TARGETED,) if targeted else ()),
        noisy_conflict,
        gradients,
        source=source,
    )
    arguments = CLIMBING | {setting.name: theirs for setting, theirs in own}
    return ZooAttack(form, made_by, arguments, **needs)
