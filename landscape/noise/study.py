"""The study of noise in the optimisation: its settings, its units, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import pandas as pd

from attacks import label, parse
from attacks.craft.others import load_others, other_specs
from attacks.crafting import RECORDED
from attacks.elsewhere import files_of
from attacks.recipes import Recipe
from core.errors import InputError
from core.models import Classifier, fingerprint, resolve_device
from core.options import split_list
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit
from core.studies.study import block_units
from landscape.flatness.study import default_radii
from landscape.groups import GroupStudy, resolved_groups
from landscape.groups.options import NONE
from landscape.noise import computing, report
from landscape.noise.options import (
    SCALES,
    WORST_LINF,
    check_numbers,
    kind_of,
    kinds_of,
    lengths_of,
    radius_of,
    scales_of,
)
from landscape.noise.recipes import (
    comparable,
    family,
    last_point_of,
    noise_recipes,
    scaled,
    spoken_labels,
    usual_slope,
)

FOLLOW, PLANES, MEASURE = "follow", "planes", "measure"
LOOKED_AT = 50
"""Genuine images on which the usual slope is measured."""


@dataclass(frozen=True)
class NoiseStudy(GroupStudy):
    """The resolved settings of one study of noise; see `run` for what each means."""

    gradients: int
    noisy: tuple[str, ...]
    noise_scales: tuple[float, ...]
    others: tuple[str, ...]
    radii: tuple[float, ...]
    worst_case_linf: tuple[float, ...]
    worst_case_steps: int
    draws: int
    path_examples: int
    path_points: int
    followed_examples: int
    drawn_examples: int

    command = "landscape.noise"

    def settings(self) -> dict[str, Any]:
        """Return the settings as the command takes them: it takes no files of examples.

        What they cost is not known, so they have no place among recipes of one budget.
        """
        return {k: v for k, v in super().settings().items() if k != "adversarial"}

    def identity(self) -> dict[str, str]:
        """Return what classifiers, images and files that recipes name contain."""
        prints = {f"other {name}": fingerprint(net) for name, net in self.other_classifiers.items()}
        return {**super().identity(), **files_of(self.attacks), **prints}

    @cached_property
    def other_classifiers(self) -> dict[str, Classifier]:
        """The classifiers that examples may transfer to, by what the option calls them."""
        return load_others(
            self.others,
            self.classifier,
            self.all_images,
            normalisation=self.normalisation,
            stem=self.stem,
            device=self.device,
        )

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """All recipes by their strings: those that are compared, then those of the curves."""
        compared = {text: parse(text) for text in self.attacks}
        curves = [r for scales in self.scaled.values() for r in scales.values()]
        return compared | {str(recipe): recipe for recipe in curves}

    @cached_property
    def reference(self) -> Recipe:
        """The recipe that the others are compared with."""
        return comparable(self.attacks, self.gradients)[1]

    @cached_property
    def scaled(self) -> dict[str, dict[float, Recipe]]:
        """The recipes of the curves, by kind of noise and scale."""
        return scaled(self.reference, self.noisy, self.noise_scales)

    @property
    def groups(self) -> list[str]:
        """All recipes, in the report's order."""
        return list(self.recipes)

    @property
    def followable(self) -> list[str]:
        """The recipes that are compared and whose ways can be recorded, and differ.

        The reference that keeps its last point goes the reference's way.
        """
        compared = [self.recipes[text] for text in self.attacks]
        last = last_point_of(compared, self.reference)
        return [str(r) for r in compared if r.name in RECORDED and r != last]

    @cached_property
    def labels(self) -> dict[str, str]:
        """The name of every recipe in words, unique."""
        return spoken_labels(list(self.recipes.values()), self.reference)

    @cached_property
    def families(self) -> dict[str, str]:
        """The family of every recipe."""
        return {text: family(recipe, self.reference) for text, recipe in self.recipes.items()}

    @property
    def budget(self) -> str:
        """What all recipes have in common, in words."""
        radius = label(self.reference).split(", ")[0].split(" ", 1)[-1]
        return f"{radius}, {self.gradients} gradients"

    @property
    def names(self) -> dict[str, str]:
        """What an example is called in figures, by id."""
        known = self.attacked.class_names
        pairs = zip(self.attacked.ids, self.attacked.labels, strict=True)
        return {str(i): str(known[int(k)]) for i, k in pairs}

    def units(self) -> list[Unit]:
        """Return the units that craft, those that follow optimisations, then those that measure."""
        units = self.craft_units()
        spans = [span for span in self.spans if span[0] < self.followed_examples]
        for recipe in self.followable:
            units += block_units(FOLLOW, recipe, spans, phase=0, recipe=recipe)
        if self.drawn_examples and self.followable:
            start, stop = self.spans[0]
            units.append(Unit(PLANES, 0, {"start": start, "stop": stop}))
        for group in [GENUINE, *self.groups, *self.same_class]:
            spans = self.spans + self.pool_spans if group == GENUINE else self.spans
            units += block_units(MEASURE, group, spans, phase=self.first_phase, group=group)
        return units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Compute one unit."""
        task = unit.key.split("/")[0]
        if task not in (FOLLOW, PLANES, MEASURE):
            return self._within_budget(self.crafted(unit, run))
        start, stop = unit.settings["start"], unit.settings["stop"]
        if task == FOLLOW:
            return computing.follow(self, unit.settings["recipe"], start, stop, run)
        if task == PLANES:
            return computing.draw(self, start, stop, run)
        return computing.measure(self, unit.settings["group"], start, stop, run)

    def _within_budget(self, made: pd.DataFrame) -> pd.DataFrame:
        """Return crafted examples, made sure that none has cost more than the budget."""
        spent = int(made["backwards"].max()) if "backwards" in made and len(made) else 0
        if spent > self.gradients:
            raise InputError(
                f"--gradients: {made['group'].iloc[0]} has spent {spent} on an image, more than "
                f"{self.gradients}."
            )
        return made

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Join the shards, compare the recipes, and write figures, artifacts and the report."""
        return report.write(self, run)


def plan(
    *,
    examples: int,
    matching_pool: int | None,
    attacks: Sequence[str] | str | None,
    eps: float | str | None,
    gradients: int,
    noisy: Sequence[str] | str,
    noise_scales: Sequence[float] | str | None,
    others: Sequence[str] | str | None,
    controls: Sequence[str] | str | None,
    radii: Sequence[float] | str | None,
    worst_case_linf: Sequence[float] | str | None,
    worst_case_steps: int,
    draws: int,
    path_examples: int | None,
    path_points: int,
    followed_examples: int | None,
    drawn_examples: int,
    batch_size: int,
    threads: int,
    device: str,
    data: str,
    model: str,
    checkpoint: str | None,
    **rest: Any,
) -> NoiseStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    check_numbers(
        gradients=gradients,
        batch_size=batch_size,
        threads=threads,
        worst_case_steps=worst_case_steps,
        draws=draws,
        path_points=path_points,
        path_examples=path_examples,
        followed_examples=followed_examples,
        drawn_examples=drawn_examples,
    )
    kind = kind_of(data)
    radius = radius_of(eps, kind, default_recipes=attacks is None)
    options: dict[str, Any] = {
        **resolved_groups(
            data=data,
            examples=examples,
            matching_pool=matching_pool,
            # Set below: the default ones depend on images and classifier.
            attacks=None,
            adversarial=None,
            controls=controls,
            default_controls=NONE,
        ),
        "gradients": gradients,
        "noisy": kinds_of(noisy),
        "noise_scales": scales_of(noise_scales, SCALES[kind]),
        "others": other_specs(others, model=model, checkpoint=checkpoint, data=data),
        "radii": (),
        "worst_case_linf": lengths_of(worst_case_linf, "worst_case_linf", (WORST_LINF[kind],)),
        "worst_case_steps": worst_case_steps,
        "draws": draws,
        "path_examples": examples if path_examples is None else path_examples,
        "path_points": path_points,
        "followed_examples": examples if followed_examples is None else followed_examples,
        "drawn_examples": drawn_examples,
        "batch_size": batch_size,
        "threads": threads,
        "device": str(resolve_device(device)),
        "data": data,
        "model": model,
        "checkpoint": checkpoint,
        **rest,
    }
    study = NoiseStudy(**options)
    pixels = prod(study.all_images.shape)
    texts = _default(study, radius, pixels) if attacks is None else split_list(attacks, "--attacks")
    recipes, _ = comparable(texts, gradients)
    options["attacks"] = tuple(str(recipe) for recipe in recipes)
    options["radii"] = lengths_of(radii, "radii", default_radii(pixels)[2:3])
    study = NoiseStudy(**options)
    study.scaled  # noqa: B018, what it cannot use is said before anything is computed
    return study


def _default(study: NoiseStudy, eps: str, pixels: int) -> tuple[str, ...]:
    """Return the default recipes; the step of the plain gradient depends on the classifier."""
    images = study.all_images.subset(min(LOOKED_AT, len(study.all_images)), seed=study.seed)
    slope = usual_slope(
        study.classifier, *images.tensors(device=study.device), batch_size=study.batch_size
    )
    return noise_recipes(eps, pixels, slope)
