"""What the studies of example groups have in common: who is attacked, how, and with what controls.

Crafting comes first. Phase 0 makes the examples of every recipe, and takes in those of files. Where
there are same-class controls, phase 1 chooses their genuine images, and phase 2 makes them. A
study's own units begin at `first_phase`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks import AdversarialSet, label, load_adversarial, parse, verify
from attacks.crafted_shards import CRAFT, crafted_shards
from attacks.elsewhere import files_of
from attacks.recipe_lists import is_control, without_twins
from attacks.tables import IMAGE, images_of, with_images
from attacks.verified_rows import crafted_rows, verified_rows
from core.data import ImageSet
from core.errors import InputError, unknown_name
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit, file_safe
from core.studies.classifier_study import ClassifierStudy
from core.studies.study import block_units, blocks
from landscape.groups.options import ALL
from landscape.groups.same_class import control_of, controlled, donors, same_class_controls
from landscape.loss import Loss
from landscape.sides import SUCCESS

DONORS = "donors"
"""The first part of the keys of the units that choose the controls' genuine images."""
NO_DONOR, NOT_REACHED = "no donor", "loss not reached"
"""Of a control: no other genuine image of the class; its loss could not be brought to it."""


@dataclass(frozen=True)
class Version:
    """One block of one group.

    Attributes:
        images: `(n, c, h, w)`; NaN where a control has no image.
        labels: `(n,)` the true classes of these images.
        checked: what is known of their making, one row per image, without the pixels; of genuine
            images None.
    """

    images: Tensor
    labels: Tensor
    checked: pd.DataFrame | None


@dataclass(frozen=True)
class GroupStudy(ClassifierStudy):
    """The settings of a study of genuine images and of what was made of them.

    A study adds settings of its own, and the methods of `core.studies.Study`.
    """

    examples: int
    matching_pool: int
    attacks: tuple[str, ...]
    adversarial: tuple[str, ...]
    controls: tuple[str, ...]

    def identity(self) -> dict[str, str]:
        """Return what classifier, images, adversarial files and files that recipes name contain."""
        known = {**super().identity(), **files_of(self.attacks)}
        for file in self.adversarial:
            known[f"adversarial {file}"] = sha256(Path(file).read_bytes()).hexdigest()
        return known

    @cached_property
    def artifacts(self) -> dict[str, AdversarialSet]:
        """Example groups that come ready-made, by group name."""
        loaded: dict[str, AdversarialSet] = {}
        for file in self.adversarial:
            artifact = load_adversarial(file).check_against(self.all_images)
            name = str(artifact.recipe) if artifact.recipe else Path(file).stem
            if name in loaded or name in self.attacks:
                raise InputError(
                    f"--adversarial: two groups are called {name!r}; give one of them."
                )
            loaded[name] = artifact
        return loaded

    @cached_property
    def attacked(self) -> ImageSet:
        """The examples that every group holds a version of."""
        available = self.all_images
        if self.artifacts:
            common = set.intersection(*({str(i) for i in a.ids} for a in self.artifacts.values()))
            if not common:
                raise InputError("--adversarial: the files have no example in common.")
            available = available.select([i for i in available.ids if str(i) in common])
        return available.subset(min(self.examples, len(available)), seed=self.seed)

    @cached_property
    def chosen(self) -> ImageSet:
        """The attacked examples, followed by the matching pool: further genuine images."""
        attacked = {str(i) for i in self.attacked.ids}
        others = [i for i in self.all_images.ids if str(i) not in attacked]
        pool = min(self.matching_pool, len(others))
        if not pool:
            return self.attacked
        further = self.all_images.select(others).subset(pool, seed=self.seed)
        return self.all_images.select([*self.attacked.ids, *further.ids])

    @cached_property
    def right(self) -> list[int]:
        """The places of the chosen images that the classifier gets right."""
        found: list[int] = []
        start = 0
        for images, labels in self.chosen.batches(self.batch_size, device=self.device):
            with torch.no_grad():
                right = self.classifier(images).argmax(1) == labels
            found += (right.nonzero().squeeze(1).cpu() + start).tolist()
            start += len(labels)
        return found

    @property
    def groups(self) -> list[str]:
        """All example groups but `genuine` and the same-class controls, in the report's order."""
        return [*self.attacks, *self.artifacts]

    @property
    def attacking(self) -> list[str]:
        """The groups that were made to deceive: all but `genuine` and the controls."""
        return [group for group in self.groups if not is_control(group)]

    @property
    def same_class(self) -> list[str]:
        """The same-class controls, in the order of their groups."""
        if self.controls == (ALL,):
            return [control_of(group) for group in self.attacking]
        for group in self.controls:
            if group not in self.attacking:
                raise unknown_name("--controls", group, self.attacking)
        return [control_of(group) for group in self.attacking if group in self.controls]

    @cached_property
    def labels(self) -> dict[str, str]:
        """The short name of every group but `genuine` and the same-class controls, unique."""
        made = {group: label(parse(group)) for group in self.attacks}
        return without_twins({**made, **{group: a.label for group, a in self.artifacts.items()}})

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The blocks of attacked examples."""
        return blocks(len(self.attacked))

    @property
    def pool_spans(self) -> list[tuple[int, int]]:
        """The blocks of the matching pool, which lie behind the attacked examples."""
        return blocks(len(self.chosen), start=len(self.attacked))

    @property
    def first_phase(self) -> int:
        """The phase in which all examples and controls are there."""
        return 3 if self.same_class else 1

    def craft_units(self) -> list[Unit]:
        """Return the units that make the examples and their controls."""
        units = []
        for group in self.groups:
            units += block_units(CRAFT, group, self.spans, phase=0, group=group)
        for group in self.same_class:
            units.append(Unit(f"{DONORS}/{file_safe(group)}", 1, {"group": group}))
            units += block_units(CRAFT, group, self.spans, phase=2, group=group)
        return units

    def is_crafting(self, unit: Unit) -> bool:
        """Say whether a unit is one of `craft_units`."""
        return unit.phase < self.first_phase

    def crafted(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Compute a unit of `craft_units`."""
        group = unit.settings["group"]
        if unit.key.startswith(f"{DONORS}/"):
            return self._donors(group, run)
        start, stop = unit.settings["start"], unit.settings["stop"]
        if group in self.groups:
            return self._craft(group, start, stop)
        return self._control(group, start, stop, run)

    def version(self, group: str, start: int, stop: int, run: RunDirectory) -> Version:
        """Return a block of a group (of genuine images: of `chosen`) from its shard."""
        images, labels = self._genuine(start, stop)
        if group == GENUINE:
            return Version(images, labels, None)
        made = run.read(f"{crafted_shards(group)}{start:06d}")
        found = images_of(made, self.chosen.shape).to(images)
        own = torch.tensor(made["label"].tolist()).to(labels)
        return Version(found, own, made.drop(columns=IMAGE))

    def ids(self, start: int, stop: int) -> list[str]:
        """Return the ids of a block."""
        return [str(i) for i in self.chosen.ids[start:stop]]

    def known_of(self, table: pd.DataFrame, version: Version) -> pd.DataFrame:
        """Add to measures of a block, one row per example, what is known of their making."""
        if version.checked is None:
            return table.assign(clean_correct=table["prediction"] == table["label"])
        new = [c for c in version.checked if c not in table or c == "id"]
        return table.merge(version.checked[new], on="id", validate="one_to_one")

    def _craft(self, group: str, start: int, stop: int) -> pd.DataFrame:
        images, labels = self._genuine(start, stop)
        ids = self.ids(start, stop)
        if group in self.artifacts:
            made = self.artifacts[group].select(ids)
            rows = verified_rows(
                self.classifier, images, labels, made, ids=ids, batch_size=self.batch_size
            )
        else:
            rows = crafted_rows(
                self.classifier, images, labels, group, ids=ids, seed=self.seed,
                batch_size=self.batch_size,
            )  # fmt: skip
        return rows.assign(group=group)

    def _donors(self, group: str, run: RunDirectory) -> pd.DataFrame:
        """Choose a genuine image for each example of a group that deceives."""
        made = run.read(crafted_shards(controlled(group)))
        made = made[made["status"] == SUCCESS]
        right = self.right
        places = donors(
            made["prediction"].tolist(),
            made["id"].tolist(),
            [int(self.chosen.labels[i]) for i in right],
            [str(self.chosen.ids[i]) for i in right],
            seed=self.seed,
        )
        names = [str(self.chosen.ids[right[place]]) if place >= 0 else "" for place in places]
        return pd.DataFrame({"id": made["id"], "class": made["prediction"], "donor": names})

    def _control(self, group: str, start: int, stop: int, run: RunDirectory) -> pd.DataFrame:
        """Push the chosen genuine images of a block to the losses of its examples."""
        ids = self.ids(start, stop)
        of = self.version(controlled(group), start, stop, run)
        chosen = run.read(f"{DONORS}/{file_safe(group)}").set_index("id").reindex(ids)
        has = chosen["donor"].fillna("").to_numpy() != ""
        place = {str(name): i for i, name in enumerate(self.chosen.ids)}
        images = torch.full_like(of.images, torch.nan)
        before, labels = torch.zeros_like(of.images), of.labels.clone()
        reached = np.zeros(len(ids), dtype=bool)
        if has.any():
            rows = torch.tensor(np.flatnonzero(has))
            before[rows], own = self.chosen.tensors(
                [place[name] for name in chosen["donor"][has]], device=self.device
            )
            labels[rows] = own
            loss = Loss(self.classifier, own)
            found = same_class_controls(
                loss, before[rows], of.images[rows], batch_size=self.batch_size
            )
            images[rows], reached[has] = found.images, found.reached.numpy()
        checked = verify(
            self.classifier, before, images, labels, None, ids=ids, batch_size=self.batch_size
        )
        fine = (checked["status"].to_numpy() == "not fooled") & reached
        status = np.select([~has, fine], [NO_DONOR, SUCCESS], NOT_REACHED)
        donor = chosen["donor"].fillna("").to_numpy()
        return with_images(checked.assign(group=group, status=status, donor=donor), images)

    def _genuine(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        return self.chosen.tensors(range(start, stop), device=self.device)
