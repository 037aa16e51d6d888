"""The options of the command, checked and resolved."""

from __future__ import annotations

from typing import Any

from attacks.forms.common import NOISES
from attacks.recipe_lists import default_recipes, is_control, recipe_list
from autoencoders.designs import VECTORS
from core.errors import InputError, unknown_name
from core.models import resolve_device
from core.options import positive, within

NONE = "none"
DEFAULT = (2, 4)
"""Of the default recipes of other studies, those that are compared with: PGD linf, minimum-norm."""
POSITIVE = (
    "examples", "epochs", "train_batch", "learning_rate", "seeds", "radius", "steps", "batch_size",
    "threads",
)  # fmt: skip


def resolved(options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a study.

    Raises:
        InputError: naming the option.
    """
    found = dict(options)
    for name in POSITIVE:
        positive(found[name], f"--{name}")
    if found["latent"] is not None:
        positive(found["latent"], "--latent")
    for name, known in (("kind", VECTORS), ("norm", ("l2", "linf")), ("noisy", (*NOISES, NONE))):
        if found[name] not in known:
            raise unknown_name(f"--{name}", found[name], known)
    within(found["neighbours"], 2, 1000, "--neighbours")
    within(found["dimensions"], 1, found["neighbours"] - 1, "--dimensions")
    scale = found["noise_scale"]
    if scale is not None:
        if found["noisy"] == NONE:
            raise InputError("--noise_scale: needs --noisy gaussian, filter or dropout.")
        within(scale, 0, 0.999 if found["noisy"] == "dropout" else float("inf"), "--noise_scale")
    if found["autoencoder"] is not None and found["seeds"] > 1:
        raise InputError("--seeds: there is one --autoencoder; leave it out to train several.")
    if found["judge"] is not None and found["autoencoder"] is None:
        raise InputError("--judge: judges what --autoencoder finds; give that, too.")
    if found["judge"] is not None and found["judge"] == found["autoencoder"]:
        raise InputError(
            "--judge: an autoencoder reconstructs what its own decoder has made too well; give "
            "another than --autoencoder, or none to train one."
        )
    defaults = default_recipes(found["data"])
    recipes = recipe_list(found["attacks"], [defaults[i] for i in DEFAULT], least=0)
    for recipe in recipes:
        if is_control(recipe):
            raise InputError(f"--attacks: {recipe} is no attack; a noise control is always there.")
    return {
        **found,
        "attacks": tuple(recipes),
        "device": str(resolve_device(found["device"])),
    }
