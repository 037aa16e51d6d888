"""From the options of the command to a study, checked and with its defaults resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from attacks.recipe_lists import default_recipes, recipe_list
from attacks.recipes import parse
from autoencoders.augment.augmentation import checked_probability
from autoencoders.augment.moves import KINDS
from autoencoders.augment.study import AugmentStudy
from autoencoders.split_study import VALIDATION
from core.errors import InputError, unknown_name
from core.models import resolve_device
from core.options import positive, within

STARTS = ("auto", "scratch", "reference")
WEAKER = {"digits": "pgd(norm=linf, eps=0.05, stop=false)",
          "photographs": "pgd(norm=linf, eps=0.5/255, stop=false)"}  # fmt: skip
"""PGD at a quarter of the default radius, where more than nearly nothing is left of accuracies."""


def plan(
    *,
    layers: Sequence[str] | str | None,
    attacks: Sequence[str] | str | None,
    radius: float | None,
    batch_size: int,
    device: str,
    **rest: Any,
) -> AugmentStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    positive(batch_size, "--batch_size")
    for name in ("epochs", "autoencoder_epochs", "train_batch", "learning_rate", "tuning_rate",
                 "draws", "threads"):  # fmt: skip
        positive(rest[name], f"--{name}")
    for name in ("judged", "latent"):
        positive(1 if rest[name] is None else rest[name], f"--{name}")
    if rest["kind"] not in KINDS:
        raise unknown_name("--kind", rest["kind"], KINDS)
    if rest["start"] not in STARTS:
        raise unknown_name("--start", rest["start"], STARTS)
    if not rest["seeds"] >= 2:
        raise InputError(
            f"--seeds: expected at least 2, found {rest['seeds']}: how much trainings differ by "
            "chance is not seen in one."
        )
    within(rest["scale"], 0, float("inf"), "--scale")
    checked_probability(rest["probability"])
    weaker = WEAKER["digits" if rest["data"] == "digits" else "photographs"]
    recipes = recipe_list(attacks, (default_recipes(rest["data"])[2], weaker))
    for recipe in recipes:
        if parse(recipe).get("eps") is None or parse(recipe).control:
            raise InputError(
                f"--attacks: expected attacks within a radius, such as pgd(eps=0.1); found "
                f"{recipe}."
            )
    study = AugmentStudy(
        layers=(),
        attacks=recipes,
        radius=0.0,
        batch_size=batch_size,
        device=str(resolve_device(device)),
        **rest,
    )
    for start in STARTS[1:]:
        study.training(start, 0)
    own = study.chosen_layers(layers)
    chosen = own if layers else (own[0], own[-1])
    if radius is None:
        pixels = int(np.prod(study.sets[VALIDATION].shape))
        radius = float(f"{0.1 * pixels**0.5:.2g}")
    return replace(
        study, layers=tuple(dict.fromkeys(chosen)), radius=positive(float(radius), "--radius")
    )
