"""The study of noise in the optimisation: its settings, its units, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import pandas as pd
import torch

from attacks import craft, label, parse
from attacks.craft.others import load_other, other_specs
from attacks.crafting import RECORDED
from attacks.defaults import TRANSFER_EPS
from attacks.recipes import Recipe
from core.errors import InputError
from core.models import Classifier, fingerprint, resolve_device
from core.options import float_list, number, positive, split_list, within
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit
from core.studies.study import block_units
from landscape.comparison import SUCCESS
from landscape.flatness.study import default_radii
from landscape.groups import GroupStudy, resolved_groups
from landscape.groups.options import NONE
from landscape.groups.study import Version
from landscape.loss import Loss
from landscape.noise import report
from landscape.noise.connections import connected, partners
from landscape.noise.drawn import drawn_ways
from landscape.noise.following import followed
from landscape.noise.measures import measured, said_by
from landscape.noise.recipes import (
    comparable,
    family,
    noise_recipes,
    scaled,
    spoken_labels,
    usual_slope,
)

FOLLOW, PLANES, MEASURE = "follow", "planes", "measure"
SCALES = {"digits": (0.025, 0.05, 0.1, 0.2, 0.4), "photographs": (0.025, 0.05, 0.1, 0.2)}
WORST_LINF = {"digits": 0.05, "photographs": 1 / 255}
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
        """Return what classifiers and images contain."""
        prints = {f"other {name}": fingerprint(net) for name, net in self.other_classifiers.items()}
        return {**super().identity(), **prints}

    @cached_property
    def other_classifiers(self) -> dict[str, Classifier]:
        """The classifiers that examples may transfer to, by what the option calls them."""
        images = self.all_images
        with torch.no_grad():
            classes = self.classifier(images.tensors([0], device=self.device)[0]).shape[1]
        return {
            item: load_other(
                item,
                images,
                normalisation=self.normalisation,
                stem=self.stem,
                device=self.device,
                classes=classes,
            )
            for item in self.others
        }

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
        """The recipes that are compared and whose ways can be recorded."""
        return [text for text in self.attacks if self.recipes[text].name in RECORDED]

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

    @cached_property
    def right(self) -> list[int]:
        """The places of the chosen images that the classifier gets right."""
        return self._right()

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
            return self._followed(unit.settings["recipe"], start, stop)
        if task == PLANES:
            return self._planes(start, stop)
        return self._measured(unit.settings["group"], start, stop, run)

    def _within_budget(self, made: pd.DataFrame) -> pd.DataFrame:
        """Return crafted examples, made sure that none has cost more than the budget."""
        spent = int(made["backwards"].max()) if "backwards" in made and len(made) else 0
        if spent > self.gradients:
            raise InputError(
                f"--gradients: {made['group'].iloc[0]} has spent {spent} on an image, more than "
                f"{self.gradients}."
            )
        return made

    def _followed(self, recipe: str, start: int, stop: int) -> pd.DataFrame:
        """Craft a block once more, point by point recorded: the very same points."""
        images, labels = self._genuine(start, stop)
        ids = self.ids(start, stop)
        made = craft(
            self.classifier, images, labels, recipe, self.seed, ids=ids,
            batch_size=self.batch_size, record=True,
        )  # fmt: skip
        assert made.trajectories is not None
        loss = Loss(self.classifier, labels)
        table = followed(loss, images, made.trajectories, ids=ids, batch_size=self.batch_size)
        table.insert(0, "recipe", recipe)
        return table

    def _planes(self, start: int, stop: int) -> pd.DataFrame:
        images, labels = self._genuine(start, stop)
        return drawn_ways(
            self.classifier,
            images,
            labels,
            self.followable,
            self.drawn_examples,
            ids=self.ids(start, stop),
            seed=self.seed,
            batch_size=self.batch_size,
        )

    def _measured(self, group: str, start: int, stop: int, run: RunDirectory) -> pd.DataFrame:
        """Measure one block of one group, and show it to the other classifiers."""
        version = self.version(group, start, stop, run)
        ids = self.ids(start, stop)
        table = measured(
            self.classifier,
            version.images,
            version.labels,
            radii=self.radii,
            worst_case_linf=self.worst_case_linf,
            ids=ids,
            worst_case_steps=self.worst_case_steps,
            draws=self.draws,
            seed=self.seed,
            batch_size=self.batch_size,
        )
        table.insert(1, "group", group)
        table.insert(2, "pool", start >= len(self.attacked))
        said = said_by(self.other_classifiers, version.images, batch_size=self.batch_size)
        table = self.known_of(table.assign(**said), version)
        if group in self.groups and start < self.path_examples:
            table = self._connected(table, version, start, stop)
        return table

    def _connected(
        self, table: pd.DataFrame, version: Version, start: int, stop: int
    ) -> pd.DataFrame:
        """Add how well the examples that count are connected to their twins and their classes."""
        rows = np.flatnonzero((table["status"] == SUCCESS).to_numpy())
        rows = rows[rows < self.path_examples - start]
        classes = table["prediction"].to_numpy()[rows].tolist()
        ids = [self.ids(start, stop)[i] for i in rows]
        right_ids = [str(self.chosen.ids[i]) for i in self.right]
        right_classes = [int(self.chosen.labels[i]) for i in self.right]
        chosen = partners(classes, ids, right_classes, right_ids, seed=self.seed)
        ends = {
            "twin": (rows, [start + int(i) for i in rows]),
            "class": (
                rows[[p >= 0 for p in chosen]] if len(rows) else rows,
                [self.right[p] for p in chosen if p >= 0],
            ),
        }
        for name, (own, places) in ends.items():
            if not len(own):
                continue
            first, _ = self.chosen.tensors(places, device=self.device)
            second = version.images[torch.tensor(own)]
            labels = torch.tensor(table["prediction"].to_numpy()[own]).to(version.labels)
            found = connected(
                Loss(self.classifier, labels), first, second,
                points=self.path_points, batch_size=self.batch_size,
            )  # fmt: skip
            for column in found:
                values = np.full(len(table), np.nan)
                values[own] = found[column].to_numpy()
                table[f"{name}_{column}"] = values
        return table

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
    kind = "digits" if data == "digits" else "photographs"
    for name, value in (
        ("gradients", gradients),
        ("batch_size", batch_size),
        ("threads", threads),
    ):
        positive(value, f"--{name}")
    within(worst_case_steps, 2, float("inf"), "--worst_case_steps")
    within(path_points, 3, float("inf"), "--path_points")
    for name, few in (
        ("path_examples", path_examples),
        ("followed_examples", followed_examples),
        ("drawn_examples", drawn_examples),
    ):
        within(0 if few is None else few, 0, float("inf"), f"--{name}")
    if draws < 4 or draws % 2:
        raise InputError(f"--draws: expected an even number of at least 4, found {draws}.")
    if attacks is not None and eps is not None:
        raise InputError(
            "--eps: is the radius of the default recipes; with --attacks say it there."
        )
    radius = TRANSFER_EPS[kind] if eps is None else str(eps)
    positive(number(radius, "--eps"), "--eps")
    kinds = split_list(noisy, "--noisy")
    if len(set(kinds)) < len(kinds):
        raise InputError("--noisy: the same kind is given twice.")
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
        "noisy": tuple(kinds),
        "noise_scales": _scales(noise_scales, SCALES[kind]),
        "others": other_specs(others, model=model, checkpoint=checkpoint, data=data),
        "radii": (),
        "worst_case_linf": _lengths(worst_case_linf, "worst_case_linf", (WORST_LINF[kind],)),
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
    options["radii"] = _lengths(radii, "radii", default_radii(pixels)[2:3])
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


def _scales(given: Sequence[float] | str | None, default: tuple[float, ...]) -> tuple[float, ...]:
    values = default if given is None else tuple(float_list(given or [], "--noise_scales"))
    return tuple(sorted(set(values)))


def _lengths(
    given: Sequence[float] | str | None, name: str, default: tuple[float, ...]
) -> tuple[float, ...]:
    values = default if given is None else tuple(float_list(given, f"--{name}"))
    if not values or not all(0 < v < float("inf") for v in values):
        raise InputError(f"--{name}: expected lengths above 0, found {list(values)}.")
    return tuple(sorted(set(values)))
