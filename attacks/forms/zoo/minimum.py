"""Attacks of torchattacks without a ball: small steps, few pixels, noise."""

from __future__ import annotations

import math
from typing import Any

from attacks.forms.common import NOISE_SCALE, NOISY, TARGETED, noisy_conflict
from attacks.forms.form import Form, Setting
from attacks.forms.zoo.attack import ZooAttack

CONFIDENCE = Setting(
    "confidence", "number", "lead over the label, in logits, that is asked for", 0.0, least=0
)
OVERSHOOT = Setting("overshoot", "number", "share by which a step is lengthened", 0.02, least=0)
SIDES = (
    Setting("smallest", "integer", "smallest side of a patch, in pixels", 2, least=1, most=10**4),
    Setting("largest", "integer", "largest side of a patch, in pixels", 10, least=1, most=10**4),
)


def minimised(norm: str) -> Setting:
    """The norm that an attack keeps small."""
    return Setting("norm", "choice", "norm that is kept small", norm, choices=(norm,), shown=True)


def steps(default: int, help: str = "steps", least: int = 1) -> Setting:
    """How many steps there are."""
    return Setting("steps", "integer", help, default, least=least, most=10**6, shown=True)


def _elastic(name: str, title: str, made_by: str, norm: str, smallest: str) -> ZooAttack:
    """The two decision rules of EAD."""
    return ZooAttack(
        Form(
            name,
            title,
            f"Elastic-net attack: shrinking steps on l2 and l1; keeps the smallest {smallest}.",
            (
                minimised(norm),
                steps(100, "steps for each of the constants", least=10),
                Setting("constants", "integer", "constants tried by bisection", 9, least=1),
                Setting("constant", "number", "the first weight of the logits", 0.001, above=0),
                Setting("learning_rate", "number", "length of the first step", 0.01, above=0),
                Setting(
                    "beta", "number", "weight of l1; what each step shrinks by", 0.001, above=0
                ),
                CONFIDENCE,
                NOISY,
                NOISE_SCALE,
                TARGETED,
            ),
            noisy_conflict,
            lambda values: values["steps"] * values["constants"],
            source="Chen et al. 2018, EAD: elastic-net attacks to deep neural networks",
        ),
        made_by,
        {
            "steps": "max_iterations",
            "constants": "binary_search_steps",
            "constant": "initial_const",
            "learning_rate": "lr",
            "beta": "beta",
            "confidence": "kappa",
        },
        raised=True,
    )


def pixle_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """Patches have a smallest and a largest side, in this order."""
    if values["smallest"] > values["largest"]:
        return f"smallest ({values['smallest']}) must not be above largest ({values['largest']})"
    return None


def jsma_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """A component that is raised by nothing does not move."""
    return "theta must not be 0" if values["theta"] == 0 else noisy_conflict(values, given)


MINIMUM = (
    ZooAttack(
        Form(
            "cw",
            "CW",
            "Adam on l2 and a margin of logits, in a space without a box; the constant is fixed.",
            (
                minimised("l2"),
                steps(50, "gradient steps"),
                Setting("constant", "number", "weight of the logits", 1.0, above=0),
                Setting("learning_rate", "number", "of Adam", 0.01, above=0),
                CONFIDENCE,
                NOISY,
                NOISE_SCALE,
                TARGETED,
            ),
            noisy_conflict,
            lambda values: values["steps"],
            source="Carlini and Wagner 2017, Towards evaluating the robustness of neural networks",
        ),
        "CW",
        {"steps": "steps", "constant": "c", "learning_rate": "lr", "confidence": "kappa"},
        together=True,
        raised=True,
    ),
    ZooAttack(
        Form(
            "deepfool",
            "DeepFool",
            "Steps to the nearest boundary of the linearised classifier.",
            (minimised("l2"), steps(50), OVERSHOOT, NOISY, NOISE_SCALE),
            noisy_conflict,
            lambda values: math.inf,
            source="Moosavi-Dezfooli et al. 2016, DeepFool",
        ),
        "DeepFool",
        {"steps": "steps", "overshoot": "overshoot"},
    ),
    _elastic("eadl1", "EAD-L1", "EADL1", "l1", "l1"),
    _elastic("eaden", "EAD-EN", "EADEN", "l2", "squared l2 + beta * l1"),
    ZooAttack(
        Form(
            "sparsefool",
            "SparseFool",
            "DeepFool's boundary, reached one component at a time.",
            (
                minimised("l0"),
                steps(10),
                Setting(
                    "boundary_steps", "integer", "steps of DeepFool to each boundary", 50, least=1
                ),
                Setting("lam", "number", "how far beyond the boundary to aim", 3.0, above=0),
                OVERSHOOT,
                NOISY,
                NOISE_SCALE,
            ),
            noisy_conflict,
            lambda values: math.inf,
            source="Modas et al. 2019, SparseFool: a few pixels make a big difference",
        ),
        "SparseFool",
        {"steps": "steps", "lam": "lam", "overshoot": "overshoot"},
    ),
    ZooAttack(
        Form(
            "jsma",
            "JSMA",
            "Raises two components at a time, those that the Jacobian says most for.",
            (
                minimised("l0"),
                Setting("theta", "number", "by how much, in input units", 1.0, least=-1, most=1),
                Setting(
                    "gamma",
                    "number",
                    "share of components to change at the most",
                    0.1,
                    above=0,
                    most=1,
                ),
                NOISY,
                NOISE_SCALE,
                TARGETED,
            ),
            jsma_conflict,
            lambda values: math.inf,
            source="Papernot et al. 2016, The limitations of deep learning in adversarial settings",
        ),
        "JSMA",
        {"theta": "theta", "gamma": "gamma"},
    ),
    ZooAttack(
        Form(
            "onepixel",
            "one pixel",
            "Differential evolution of a few pixels' places and colours; no backward pass.",
            (
                minimised("l0"),
                Setting(
                    "pixels", "integer", "pixels that change", 1, least=1, most=10**4, shown=True
                ),
                steps(10, "generations"),
                Setting("population", "integer", "candidates", 10, least=1, most=10**5),
                TARGETED,
            ),
            source="Su et al. 2019, One pixel attack for fooling deep neural networks",
        ),
        "OnePixel",
        {"pixels": "pixels", "steps": "steps", "population": "popsize"},
    ),
    ZooAttack(
        Form(
            "pixle",
            "Pixle",
            "Copies the pixels of random patches to other places; no backward pass.",
            (
                minimised("l0"),
                steps(10, "patches tried for each restart"),
                Setting("restarts", "integer", "patches that are copied", 20, least=1, most=10**6),
                *SIDES,
                Setting(
                    "mapping",
                    "choice",
                    "where the pixels go",
                    "random",
                    choices=(
                        "random",
                        "similarity",
                        "similarity_random",
                        "distance",
                        "distance_random",
                    ),
                ),
                TARGETED,
            ),
            pixle_conflict,
            source="Pomponi et al. 2022, Pixle: a fast and effective black-box attack",
        ),
        "Pixle",
        {"steps": "max_iterations", "restarts": "restarts", "mapping": "pixel_mapping"},
        rows_and_columns=True,
    ),
    ZooAttack(
        Form(
            "gn",
            "Gaussian noise",
            "Gaussian noise, cut at the box; it climbs nothing.",
            (
                Setting("norm", "choice", "norm it is told in", "l2", choices=("l2",), shown=True),
                Setting(
                    "std", "number", "standard deviation, in input units", 0.1, above=0, shown=True
                ),
            ),
            control=True,
        ),
        "GN",
        {"std": "std"},
        together=True,
    ),
)
"""The attacks of torchattacks that have no ball."""
