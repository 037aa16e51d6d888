"""The crafting study: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks.autoattack import PARTS
from attacks.craft import report
from attacks.craft.others import load_others, other_specs
from attacks.crafted_shards import CRAFT
from attacks.crafting import craft
from attacks.elsewhere import files_of
from attacks.masking import masking_checks
from attacks.recipe_lists import default_recipes, recipe_list, unique_labels
from attacks.tables import IMAGE, images_of, with_images
from attacks.verification import verify
from core.data import ImageSet
from core.errors import InputError
from core.models import Classifier, fingerprint, resolve_device
from core.options import positive
from core.studies import RunDirectory, Unit
from core.studies.classifier_study import ClassifierStudy
from core.studies.study import block_units, blocks

MASKING = "masking"
"""The key of the unit that looks for masked gradients, on the first block."""


@dataclass(frozen=True)
class CraftStudy(ClassifierStudy):
    """The resolved settings of one crafting study; see `run` for what each means."""

    examples: int
    attacks: tuple[str, ...]
    masking_checks: bool
    others: tuple[str, ...]

    command = "attacks.craft"

    @cached_property
    def chosen(self) -> ImageSet:
        """The images that every recipe attacks."""
        return self.all_images.subset(min(self.examples, len(self.all_images)), seed=self.seed)

    @cached_property
    def labels(self) -> dict[str, str]:
        """The short name of every recipe, unique, in the order of the report."""
        return unique_labels(self.attacks)

    def identity(self) -> dict[str, str]:
        """Return what classifiers, images and files that recipes name contain."""
        prints = {f"other {name}": fingerprint(net) for name, net in self.other_classifiers.items()}
        return {**super().identity(), **files_of(self.attacks), **prints}

    @cached_property
    def other_classifiers(self) -> dict[str, Classifier]:
        """The classifiers whose examples are shown to this one, by what the option calls them."""
        return load_others(
            self.others,
            self.classifier,
            self.all_images,
            normalisation=self.normalisation,
            stem=self.stem,
            device=self.device,
        )

    def units(self) -> list[Unit]:
        """Return crafting units and the masking checks (phase 0), and verifying units (phase 1)."""
        spans = blocks(len(self.chosen))
        units = [
            unit
            for phase, task in enumerate((CRAFT, "verify"))
            for recipe in self.attacks
            for unit in block_units(task, recipe, spans, phase=phase, recipe=recipe)
        ]
        first = {"start": 0, "stop": spans[0][1]}
        return [*units, Unit(MASKING, 0, first)] if self.masking_checks else units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Craft or verify one block by one recipe, or look for masked gradients."""
        start, stop = unit.settings["start"], unit.settings["stop"]
        images, labels = self.chosen.tensors(range(start, stop), device=self.device)
        ids = [str(i) for i in self.chosen.ids[start:stop]]
        if unit.key == MASKING:
            return masking_checks(
                self.classifier,
                images,
                labels,
                seed=self.seed,
                ids=ids,
                batch_size=self.batch_size,
                others=self.other_classifiers,
            )
        recipe = unit.settings["recipe"]
        if unit.phase == 0:
            return self._craft(recipe, images, labels, ids)
        return self._verify(recipe, images, labels, run.read(f"{CRAFT}{unit.key[len('verify') :]}"))

    def _craft(
        self, recipe: str, images: Tensor, labels: Tensor, ids: Sequence[str]
    ) -> pd.DataFrame:
        made = craft(
            self.classifier,
            images,
            labels,
            recipe,
            seed=self.seed,
            ids=ids,
            batch_size=self.batch_size,
        )
        columns = {
            "label": labels,
            "target": made.targets,
            "radii": made.radii,
            "forwards": made.forwards,
            "backwards": made.backwards,
        }
        known = {k: v.cpu().numpy() for k, v in columns.items() if v is not None}
        if made.broken_by is not None:
            known["broken_by"] = np.array([*PARTS, ""], object)[made.broken_by.cpu().numpy()]
        return with_images(pd.DataFrame({"id": ids, **known}), made.images)

    def _verify(
        self, recipe: str, images: Tensor, labels: Tensor, made: pd.DataFrame
    ) -> pd.DataFrame:
        """Check the examples as they lie in the shard, and keep all but the pixels."""
        checked = verify(
            self.classifier,
            images,
            images_of(made, self.chosen.shape).to(images),
            labels,
            recipe,
            ids=list(made["id"]),
            targets=torch.tensor(made["target"].to_numpy()) if "target" in made else None,
            radii=torch.tensor(made["radii"].to_numpy()) if "radii" in made else None,
            batch_size=self.batch_size,
        )
        checked.insert(1, "recipe", recipe)
        new = ["id", *(c for c in made if c not in checked and c != IMAGE)]
        return checked.merge(made[new], on="id", validate="one_to_one")

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Join the shards, and write figures, artifacts and the report."""
        return report.write(self, run)


def plan(
    *,
    examples: int,
    attacks: Sequence[str] | str | None,
    masking_checks: bool,
    others: Sequence[str] | str | None,
    batch_size: int,
    threads: int,
    device: str,
    model: str,
    checkpoint: str | None,
    data: str,
    **rest: Any,
) -> CraftStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    recipes = recipe_list(attacks, default_recipes(data))
    compared = other_specs(others, model=model, checkpoint=checkpoint, data=data)
    if others and not masking_checks:
        raise InputError("--others: compared in the checks only; give --masking_checks, too.")
    for name, number in (("examples", examples), ("batch_size", batch_size), ("threads", threads)):
        positive(number, f"--{name}")
    return CraftStudy(
        examples=examples,
        attacks=recipes,
        masking_checks=masking_checks,
        others=compared if masking_checks else (),
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        model=model,
        checkpoint=checkpoint,
        data=data,
        **rest,
    )
