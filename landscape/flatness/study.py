"""The flatness study: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, prod
from typing import Any

import pandas as pd
from torch import Tensor

from core.errors import InputError, unknown_name
from core.losses import LOSSES
from core.models import resolve_device
from core.options import positive, within
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit
from core.studies.study import block_units
from landscape.balls import NORMS
from landscape.flatness import report
from landscape.flatness.cure import default_step
from landscape.flatness.defaults import (
    WORST_CASE,
    default_radii,
    lengths,
    measures_and_layers,
)
from landscape.flatness.log_odds import LogOddsShift, log_odds_shift
from landscape.flatness.measures import measure
from landscape.flatness.references import References, representations
from landscape.groups import GroupStudy, resolved_groups
from landscape.groups.options import ALL, NONE

REFERENCES = ("predicted", "true", "target")
REFERENCE = "reference"
"""The first part of the keys of the units that measure the references."""


@dataclass(frozen=True)
class FlatnessStudy(GroupStudy):
    """The resolved settings of one flatness study; see `run` for what each means."""

    measures: tuple[str, ...]
    layers: tuple[str, ...]
    loss: str
    reference: str
    radii: tuple[float, ...]
    worst_case_l2: tuple[float, ...]
    worst_case_linf: tuple[float, ...]
    worst_case_steps: int
    draws: int
    gradient_draws: int
    curvature_step: float
    gamma: float
    boundary_norm: str
    boundary_steps: int
    neighbours: int

    command = "landscape.flatness"

    def units(self) -> list[Unit]:
        """Return the units that craft, those that measure references, then those that measure."""
        units = self.craft_units()
        phase = self.first_phase
        if "log_odds_score" in self.measures:
            units += block_units(REFERENCE, GENUINE, self.pool_spans, phase=phase)
            phase += 1
        for group in [GENUINE, *self.groups, *self.same_class]:
            spans = self.spans + self.pool_spans if group == GENUINE else self.spans
            units += block_units("measure", group, spans, phase=phase, group=group)
        return units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Craft or measure one block of one group, or measure the references' log-odds."""
        if self.is_crafting(unit):
            return self.crafted(unit, run)
        start, stop = unit.settings["start"], unit.settings["stop"]
        if unit.key.startswith(f"{REFERENCE}/"):
            return self._reference(start, stop, run)
        group = unit.settings["group"]
        version = self.version(group, start, stop, run)
        checked = version.checked
        donors = None if checked is None or "donor" not in checked else checked["donor"].tolist()
        table = measure(
            self.classifier,
            version.images,
            version.labels,
            measures=self.measures,
            ids=self.ids(start, stop),
            loss=self.loss,
            reference=self.reference,
            references=self._references(run),
            made_from=donors,
            radii=self.radii,
            worst_case_l2=self.worst_case_l2,
            worst_case_linf=self.worst_case_linf,
            worst_case_steps=self.worst_case_steps,
            draws=self.draws,
            gradient_draws=self.gradient_draws,
            curvature_step=self.curvature_step,
            gamma=self.gamma,
            boundary_norm=self.boundary_norm,
            boundary_steps=self.boundary_steps,
            neighbours=self.neighbours,
            seed=self.seed,
            batch_size=self.batch_size,
        )
        table.insert(1, "group", group)
        table.insert(2, "pool", start >= len(self.attacked))
        return self.known_of(table, version)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Join the shards, compare the groups, and write figures, artifacts and the report."""
        return report.write(self, run)

    @property
    def reference_places(self) -> list[int]:
        """The places of the genuine references: the matching pool, where the classifier is right.

        Attacked images are none, so that no group has its own twins among them.
        """
        return [place for place in self.right if place >= len(self.attacked)]

    def _reference(self, start: int, stop: int, run: RunDirectory) -> pd.DataFrame:
        """Measure the shift of the log-odds of a block of the matching pool."""
        found = log_odds_shift(
            self.classifier,
            self.version(GENUINE, start, stop, run).images,
            self.radii,
            draws=self.draws,
            seed=self.seed,
            ids=self.ids(start, stop),
            batch_size=self.batch_size,
        )
        return found.table(self.ids(start, stop))

    def _references(self, run: RunDirectory) -> References | None:
        """Return what measures are compared with, where there are such measures."""
        if not self.compares:
            return None
        names = [str(self.chosen.ids[place]) for place in self.reference_places]
        shift = None
        if "log_odds_score" in self.measures:
            rows = run.read(f"{REFERENCE}/").set_index("id").loc[names]
            shift = LogOddsShift.of_table(rows, self.radii, self.draws // 2)
        return References(tuple(names), shift, self._reference_layers)

    @property
    def compares(self) -> bool:
        """Whether something is measured against references."""
        return bool(self.layers) or "log_odds_score" in self.measures

    @cached_property
    def _reference_layers(self) -> dict[str, Tensor]:
        """What the layers make of the references; computed anew in every process."""
        if not self.layers:
            return {}
        images, _ = self.chosen.tensors(self.reference_places, device=self.device)
        return representations(self.classifier, self.layers, images, self.batch_size)


def plan(
    *,
    examples: int,
    matching_pool: int | None,
    attacks: Sequence[str] | str | None,
    adversarial: Sequence[str] | str | None,
    controls: Sequence[str] | str | None,
    measures: Sequence[str] | str | None,
    layers: Sequence[str] | str | None,
    loss: str,
    reference: str,
    radii: Sequence[float] | str | None,
    worst_case_l2: Sequence[float] | str | None,
    worst_case_linf: Sequence[float] | str | None,
    worst_case_steps: int,
    draws: int,
    gradient_draws: int,
    curvature_step: float | None,
    gamma: float,
    boundary_norm: str,
    boundary_steps: int,
    neighbours: int,
    batch_size: int,
    threads: int,
    device: str,
    data: str,
    **rest: Any,
) -> FlatnessStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    kind = "digits" if data == "digits" else "photographs"
    if loss not in LOSSES:
        raise unknown_name("--loss", loss, LOSSES)
    if reference not in REFERENCES:
        raise unknown_name("--reference", reference, REFERENCES)
    controllable = reference == "predicted" and loss != "margin"
    groups = resolved_groups(
        data=data,
        examples=examples,
        matching_pool=matching_pool,
        attacks=attacks,
        adversarial=adversarial,
        controls=controls,
        default_controls=ALL if controllable else NONE,
    )
    if groups["controls"] and not controllable:
        raise InputError(
            "--controls: a same-class control has the cross-entropy of the predicted class in "
            f"common, found --loss {loss} and --reference {reference}."
        )
    for name, number in (
        ("batch_size", batch_size),
        ("threads", threads),
        ("worst_case_steps", worst_case_steps),
    ):
        positive(number, f"--{name}")
    for name, number in (("draws", draws), ("gradient_draws", gradient_draws)):
        if number < 4 or number % 2:
            raise InputError(f"--{name}: expected an even number of at least 4, found {number}.")
    if curvature_step is not None:
        positive(curvature_step, "--curvature_step")
    if not 0 < gamma < 1:
        raise InputError(f"--gamma: expected a probability between 0 and 1, found {gamma}.")
    if boundary_norm not in NORMS:
        raise unknown_name("--boundary_norm", boundary_norm, NORMS)
    within(boundary_steps, 2, inf, "--boundary_steps")
    within(neighbours, 4, inf, "--neighbours")
    study = FlatnessStudy(
        **groups,
        measures=(),
        layers=(),
        loss=loss,
        reference=reference,
        radii=(),
        worst_case_l2=lengths(worst_case_l2, "worst_case_l2", WORST_CASE[kind]["l2"]),
        worst_case_linf=lengths(worst_case_linf, "worst_case_linf", WORST_CASE[kind]["linf"]),
        worst_case_steps=worst_case_steps,
        draws=draws,
        gradient_draws=gradient_draws,
        curvature_step=0.0,
        gamma=gamma,
        boundary_norm=boundary_norm,
        boundary_steps=boundary_steps,
        neighbours=neighbours,
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        data=data,
        **rest,
    )
    pixels = prod(study.all_images.shape)
    chosen, at = measures_and_layers(study, measures, layers, neighbours)
    return replace(
        study,
        measures=chosen,
        layers=at,
        radii=lengths(radii, "radii", default_radii(pixels)),
        curvature_step=default_step(pixels) if curvature_step is None else curvature_step,
    )
