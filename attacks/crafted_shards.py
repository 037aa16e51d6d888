"""Where a study keeps the examples it crafts, and how they become files for `--adversarial`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attacks.artifacts import save_crafted
from core.models import fingerprint
from core.studies import file_safe

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from core.studies.classifier_study import ClassifierStudy

CRAFT = "craft"
"""The first part of the keys of the units that craft."""


def crafted_shards(recipe: str) -> str:
    """Return what the keys of a recipe's crafting units begin with.

    >>> crafted_shards("fgsm(eps=0.1)")
    'craft/fgsm-eps=0.1-b8ce0f/'
    """
    return f"{CRAFT}/{file_safe(recipe)}/"


def save_artifacts(run: RunDirectory, study: ClassifierStudy, recipes: Iterable[str]) -> None:
    """Write each recipe's examples, read from its shards, as one file below `adversarial/`."""
    for recipe in recipes:
        save_crafted(
            run.adversarial,
            run.read(crafted_shards(recipe)),
            study.all_images.shape,
            recipe,
            seed=study.seed,
            classifier=fingerprint(study.classifier),
            data=study.all_images.fingerprint,
        )
