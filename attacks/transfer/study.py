"""The study of transfer: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import pandas as pd

from attacks.crafted_shards import CRAFT
from attacks.defaults import TRANSFER_EPS, transfer_recipes
from attacks.elsewhere import files_of
from attacks.recipes import Recipe, parse
from attacks.transfer import report
from attacks.transfer.classifiers import Member, check_together, loaded, member_of, members
from attacks.transfer.crossing import (
    crafted_on,
    families,
    joined,
    judged_by,
    looked_at,
    right_everywhere,
)
from attacks.transfer.landscapes import Landscapes, read_landscapes
from attacks.transfer.recipes import over_scales, reference_of, short_labels, within_budget
from core.data import ImageSet
from core.errors import InputError
from core.models import Classifier, fingerprint, resolve_device
from core.models.builtin import BUILT_IN
from core.options import float_list, number, positive, split_list
from core.studies import RunDirectory, Unit, file_safe
from core.studies.classifier_study import ImageStudy
from core.studies.study import block_units, blocks

CLEAN, JUDGE = "clean", "judge"

DIGITS_SCALES = (0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True)
class TransferStudy(ImageStudy):
    """The resolved settings of one study of transfer; see `run` for what each means."""

    classifiers: tuple[str, ...]
    normalisation: str | None
    stem: str | None
    examples: int
    attacks: tuple[str, ...]
    gradients: int
    noise_scales: tuple[float, ...]
    noisy: tuple[str, ...]
    flatness: tuple[str, ...]

    command = "attacks.transfer"

    def identity(self) -> dict[str, str]:
        """Return what classifiers, images, flatness runs and files that recipes name contain."""
        known = {"images": self.all_images.fingerprint}
        known |= {f"classifier {name}": print_ for name, print_ in self.fingerprints.items()}
        known |= {f"flatness {run}": digest for run, digest in self.landscapes.digests.items()}
        return known | files_of(self.attacks)

    @cached_property
    def members(self) -> dict[str, Member]:
        """The classifiers by name."""
        return {member.name: member for member in map(member_of, self.classifiers)}

    @cached_property
    def loaded(self) -> dict[str, Classifier]:
        """The classifiers themselves, made sure that they go together."""
        found = {
            name: loaded(
                member, normalisation=self.normalisation, stem=self.stem, device=self.device
            )
            for name, member in self.members.items()
        }
        check_together(found, self.all_images)
        return found

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """What every classifier computes, as a hash; no two alike."""
        prints = {name: fingerprint(classifier) for name, classifier in self.loaded.items()}
        for first, second in combinations(prints, 2):
            if prints[first] == prints[second]:
                raise InputError(
                    f"--classifiers: {first} and {second} are one and the same classifier; leave "
                    "one of them out."
                )
        return prints

    @cached_property
    def landscapes(self) -> Landscapes:
        """What the runs of `--flatness` found, by classifier."""
        return read_landscapes(self.flatness, self.fingerprints, self.all_images, self.recipes)

    @cached_property
    def chosen(self) -> ImageSet:
        """The images that are tried; those that all classifiers get right are attacked."""
        return self.all_images.subset(min(self.examples, len(self.all_images)), seed=self.seed)

    @cached_property
    def scaled(self) -> dict[str, dict[float, Recipe]]:
        """The recipes of the curve, by kind of noise and scale."""
        if not self.noise_scales:
            return {}
        reference = reference_of([parse(recipe) for recipe in self.attacks])
        if reference is None:
            raise InputError("--noise_scales: needs an attack in --attacks, not controls alone.")
        return {kind: over_scales(reference, kind, self.noise_scales) for kind in self.noisy}

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """All recipes by their strings: those given, then those of the curve."""
        given = [parse(recipe) for recipe in self.attacks]
        curve = [recipe for scales in self.scaled.values() for recipe in scales.values()]
        return {str(recipe): recipe for recipe in [*given, *curve]}

    @cached_property
    def labels(self) -> dict[str, str]:
        """The short name of every recipe, unique, in the order of the report."""
        return short_labels(list(self.recipes.values()))

    def units(self) -> list[Unit]:
        """Return the units: looking at genuine images, crafting, judging, joining."""
        spans = blocks(len(self.chosen))
        units = [Unit(f"{CLEAN}/{a:06d}", 0, {"start": a, "stop": b}) for a, b in spans]
        for name in self.members:
            for kind in families(list(self.recipes.values())):
                units += block_units(
                    craft_folder(name), str(kind), spans, phase=1, source=name, recipe=str(kind)
                )
        for name in self.members:
            units += block_units(JUDGE, name, spans, phase=2, victim=name)
        return [*units, *(Unit(f"table/{a:06d}", 3, {"start": a, "stop": b}) for a, b in spans)]

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Compute one unit."""
        start, stop = unit.settings["start"], unit.settings["stop"]
        ids = [str(i) for i in self.chosen.ids[start:stop]]
        if unit.phase == 0:
            images, labels = self.chosen.tensors(range(start, stop), device=self.device)
            return looked_at(self.loaded, images, labels, ids, batch_size=self.batch_size)
        clean = run.read(f"{CLEAN}/{start:06d}")
        right = right_everywhere(clean, ids)
        if unit.phase == 1:
            return self._craft(unit, start, [i for i, name in enumerate(ids) if name in set(right)])
        if unit.phase == 2:
            return self._judge(unit.settings["victim"], start, run)
        crafted = pd.concat([self._crafted(name, start, run) for name in self.members])
        judged = pd.concat(
            [
                run.read(f"{JUDGE}/{file_safe(name)}/{start:06d}").assign(victim=name)
                for name in self.members
            ]
        )
        table = joined(clean, crafted, judged, right, list(self.recipes))
        return self.landscapes.added_to(table)

    def _craft(self, unit: Unit, start: int, rows: Sequence[int]) -> pd.DataFrame:
        positions = [start + row for row in rows]
        images, labels = self.chosen.tensors(positions, device=self.device)
        kind = self.recipes.get(unit.settings["recipe"]) or parse(unit.settings["recipe"])
        return crafted_on(
            self.loaded[unit.settings["source"]],
            images,
            labels,
            [str(self.chosen.ids[i]) for i in positions],
            families(list(self.recipes.values()))[kind],
            seed=self.seed,
            gradients=self.gradients,
            batch_size=self.batch_size,
        )

    def _judge(self, victim: str, start: int, run: RunDirectory) -> pd.DataFrame:
        """Forward the examples of all sources and recipes once."""
        parts = []
        for source in self.members:
            made = self._crafted(source, start, run)
            parts.append(
                judged_by(self.loaded[victim], made, self.chosen.shape, batch_size=self.batch_size)
            )
        return pd.concat(parts, ignore_index=True)

    def _crafted(self, source: str, start: int, run: RunDirectory) -> pd.DataFrame:
        """Return what was crafted on one source for one block, by all recipes."""
        kinds = families(list(self.recipes.values()))
        parts = [
            run.read(f"{craft_folder(source)}/{file_safe(str(kind))}/{start:06d}") for kind in kinds
        ]
        return pd.concat(parts, ignore_index=True).assign(source=source)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Write figures, files of examples and the report."""
        return report.write(self, run)


def craft_folder(source: str) -> str:
    """Return the folder of the shards with a source's examples; controls lie with their recipe."""
    return f"{CRAFT}/{file_safe(source)}"


def plan(
    *,
    classifiers: Sequence[str] | str | None,
    examples: int,
    attacks: Sequence[str] | str | None,
    eps: float | str | None,
    gradients: int,
    noise_scales: Sequence[float] | str | None,
    noisy: Sequence[str] | str,
    flatness: Sequence[str] | str | None,
    batch_size: int,
    threads: int,
    device: str,
    data: str,
    **rest: Any,
) -> TransferStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    digits = data == "digits"
    for name, value in (
        ("examples", examples),
        ("gradients", gradients),
        ("batch_size", batch_size),
        ("threads", threads),
    ):
        positive(value, f"--{name}")
    if attacks is not None and eps is not None:
        raise InputError(
            "--eps: is the radius of the default recipes; with --attacks say it there."
        )
    radius = TRANSFER_EPS["digits" if digits else "photographs"] if eps is None else str(eps)
    positive(number(radius, "--eps"), "--eps")
    texts = transfer_recipes(radius) if attacks is None else split_list(attacks, "--attacks")
    recipes = within_budget(list(texts), gradients)
    if not recipes:
        raise InputError("--attacks: give at least one recipe.")
    scales: tuple[float, ...]
    if noise_scales is None:
        scales = DIGITS_SCALES if digits and attacks is None else ()
    else:
        scales = tuple(sorted(set(float_list(noise_scales or [], "--noise_scales"))))
    kinds = split_list(noisy, "--noisy")
    if len(set(kinds)) < len(kinds):
        raise InputError("--noisy: the same kind is given twice.")
    found = members(classifiers, list(BUILT_IN) if digits else ())
    study = TransferStudy(
        classifiers=tuple(str(member) for member in found),
        examples=examples,
        attacks=tuple(str(recipe) for recipe in recipes),
        gradients=gradients,
        noise_scales=scales,
        noisy=tuple(kinds),
        flatness=tuple(split_list(flatness, "--flatness")),
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        data=data,
        **rest,
    )
    study.scaled  # noqa: B018, what it cannot use is said before anything is computed
    return study
