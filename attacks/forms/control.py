"""The controls: noise of a given length, and the steps of other images."""

from __future__ import annotations

from typing import Any

from attacks.forms.form import Form, Setting

LENGTHS = ("linf", "l2", "l1")


def noise_conflict(values: dict[str, Any], given: frozenset[str]) -> str | None:
    """The length comes either from a recipe or from the settings."""
    if values["like"] is not None and given & {"norm", "eps"}:
        return "like already says the norm and the length; leave norm and eps out"
    if values["like"] is not None and values["like"]["norm"] not in LENGTHS:
        return f"like has the norm {values['like']['norm']}; noise has {' or '.join(LENGTHS)}"
    if values["like"] is None and values["eps"] is None:
        return "it needs eps (such as eps=8/255) or like (such as like=pgd(norm=linf, eps=8/255))"
    return None


def like_gradients(values: dict[str, Any]) -> float:
    """Noise of a given length needs none; a copied length needs those of its recipe."""
    return 0 if values["like"] is None else values["like"].gradients


NOISE = Form(
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
            choices=LENGTHS,
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
    like_gradients,
    control=True,
)

SHUFFLED = Form(
    "shuffled",
    "shuffled",
    "The control: the step that an attack found for another image.",
    (
        Setting(
            "like",
            "recipe",
            "each image is given the step that this recipe found for the next image of another "
            "class, cut at the box",
            shown=True,
            example="like=pgd(norm=linf, eps=8/255)",
        ),
    ),
    gradients=like_gradients,
    control=True,
)
