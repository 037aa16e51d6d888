"""The example groups of a study on the manifold, and what each is made by."""

from __future__ import annotations

from attacks.recipes import filled
from core.report.groups import GroupStyle
from core.report.versions import GENUINE

RECONSTRUCTION = "reconstruction"
SEARCH, NOISY_SEARCH = "on the manifold", "on the manifold, noisy"
CONTROL = "noise as long"
EQUAL = {norm: f"PGD {norm}, equal success" for norm in ("linf", "l2")}
"""PGD with the radius at which it succeeds as often as the search, by its norm."""

UNATTACKED = (GENUINE, RECONSTRUCTION, CONTROL)
"""Groups that nothing was optimised for; all of their examples are looked at."""
COMPARED = (GENUINE, RECONSTRUCTION, CONTROL, *EQUAL.values())
"""What the search is compared with, besides the recipes on the pixels."""

STYLES = {
    RECONSTRUCTION: GroupStyle("#7A6A00", ">"),
    SEARCH: GroupStyle("#332288", "o"),
    NOISY_SEARCH: GroupStyle("#882255", "<"),
    EQUAL["linf"]: GroupStyle("#D55E00", "s"),
    EQUAL["l2"]: GroupStyle("#CC79A7", "D"),
}
"""How these groups are drawn; the others as everywhere."""


def search_recipe(file: str, norm: str, radius: float, steps: int) -> str:
    """Return the recipe of the search with an autoencoder's file.

    >>> search_recipe("runs/x/model.safetensors", "l2", 3.0, 40)
    "manifold(autoencoder='runs/x/model.safetensors', norm=l2, radius=3, steps=40)"
    """
    settings = {"autoencoder": file, "norm": norm, "radius": radius, "steps": steps}
    return str(filled("manifold", settings))


def noisy_recipe(
    file: str, norm: str, radius: float, steps: int, noisy: str, scale: float | None
) -> str:
    """Return the recipe of the search with a noisy classifier at each step.

    It stops at its first success, too, so that both searches end where they first succeed.
    """
    settings = {"autoencoder": file, "norm": norm, "radius": radius, "steps": steps,
                "noisy": noisy, "stop": True}  # fmt: skip
    if scale is not None:
        settings["noise_scale"] = scale
    return str(filled("manifold", settings))


def equal_recipe(norm: str, eps: float) -> str:
    """Return PGD from the image itself, which strays less than one from a random start.

    >>> equal_recipe("l2", 0.8)
    'pgd(norm=l2, eps=0.8, steps=40, random_start=false)'
    """
    return str(filled("pgd", {"norm": norm, "eps": eps, "random_start": False}))
