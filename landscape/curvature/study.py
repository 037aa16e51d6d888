"""The curvature study: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from attacks import craft
from attacks.crafted_shards import crafted_shards
from attacks.tables import images_of
from core.errors import InputError, unknown_name
from core.models import resolve_device
from core.models.piecewise import is_piecewise_linear
from core.options import float_list, positive
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit
from core.studies.study import block_units
from landscape.curvature import report
from landscape.curvature.directions import ClassMeans, class_means
from landscape.curvature.hessian import METHODS, method_of
from landscape.curvature.measures import Settings, Surroundings, measure
from landscape.groups import GroupStudy, resolved_groups
from landscape.groups.study import Version
from landscape.loss import Loss

# Scales of the boundary as multiples of sqrt(d): about a third of the way to the boundary, and
# beyond it, for the classifiers that come with the project.
_SCALES = (0.005, 0.02)


@dataclass(frozen=True)
class CurvatureStudy(GroupStudy):
    """The resolved settings of one curvature study; see `run` for what each means."""

    method: str
    spectrum: int
    vectors: int
    probes: int
    boundary_steps: int
    boundary_radii: tuple[float, ...]
    draws: int

    command = "landscape.curvature"
    loss = "cross_entropy"

    def units(self) -> list[Unit]:
        """Return the units that craft, then those that measure."""
        units = self.craft_units()
        for group in [GENUINE, *self.groups, *self.same_class]:
            spans = self.spans + self.pool_spans if group == GENUINE else self.spans
            units += block_units("measure", group, spans, phase=self.first_phase, group=group)
        return units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Craft or measure one block of one group."""
        if self.is_crafting(unit):
            return self.crafted(unit, run)
        group, start, stop = (unit.settings[k] for k in ("group", "start", "stop"))
        version = self.version(group, start, stop, run)
        table = measure(
            self.classifier,
            version.images,
            version.labels,
            self.around(group, version, start, stop, run),
            self.measured,
            ids=self.ids(start, stop),
            seed=self.seed,
            batch_size=self.batch_size,
        )
        table.insert(1, "group", group)
        table.insert(2, "pool", start >= len(self.attacked))
        return self.known_of(table, version)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Join the shards, compare the groups, and write figures, artifacts and the report."""
        return report.write(self, run)

    @cached_property
    def measured(self) -> Settings:
        """What is measured around every image; `auto` is the whole Hessian in the cheaper way."""
        method = self.method
        if method == "auto":
            first = self.chosen.tensors([0], device=self.device)[0]
            method = "exact" if is_piecewise_linear(self.classifier, first) else "lanczos"
        return Settings(
            method, self.spectrum, self.probes, self.boundary_steps, self.boundary_radii, self.draws
        )

    @cached_property
    def means(self) -> ClassMeans:
        """The mean genuine image of each class, of those that are measured."""
        return class_means(self.chosen.batches(self.batch_size), len(self.all_images.class_names))

    def around(
        self, group: str, version: Version, start: int, stop: int, run: RunDirectory
    ) -> Surroundings:
        """Return what gives directions from a block of images: origins, twins, class means."""
        genuine, labels = self.chosen.tensors(range(start, stop), device=self.device)
        if group == GENUINE:
            return Surroundings(
                genuine, labels, self._deceiving(genuine, labels, start, stop, run), self.means
            )
        if group in self.same_class and version.checked is not None:
            genuine, labels = self._donated(version, genuine, labels)
        return Surroundings(genuine, labels, genuine, self.means)

    def _deceiving(
        self, genuine: Tensor, labels: Tensor, start: int, stop: int, run: RunDirectory
    ) -> Tensor:
        """Return what the first attack made of genuine images; of the pool, it is made here."""
        if not self.attacking:
            return torch.full_like(genuine, torch.nan)
        first = self.attacking[0]
        if start < len(self.attacked):
            made = run.read(f"{crafted_shards(first)}{start:06d}")
            return images_of(made, self.chosen.shape).to(genuine)
        if first not in self.attacks:  # a file holds none
            return torch.full_like(genuine, torch.nan)
        found = craft(
            self.classifier, genuine, labels, first, seed=self.seed, ids=self.ids(start, stop),
            batch_size=self.batch_size,
        )  # fmt: skip
        return found.images.to(genuine)

    def _donated(self, version: Version, genuine: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the genuine images that same-class controls were made from; NaN for none."""
        assert version.checked is not None
        place = {str(name): i for i, name in enumerate(self.chosen.ids)}
        places = [place.get(str(name), -1) for name in version.checked["donor"]]
        own, own_labels = torch.full_like(genuine, torch.nan), labels.clone()
        rows = [i for i, at in enumerate(places) if at >= 0]
        if rows:
            own[rows], own_labels[rows] = self.chosen.tensors(
                [places[i] for i in rows], device=self.device
            )
        return own, own_labels


def plan(
    *,
    examples: int,
    matching_pool: int | None,
    attacks: Sequence[str] | str | None,
    adversarial: Sequence[str] | str | None,
    controls: Sequence[str] | str | None,
    method: str,
    spectrum: int,
    vectors: int,
    probes: int,
    boundary_steps: int,
    boundary_radii: Sequence[float] | str | None,
    draws: int,
    batch_size: int,
    threads: int,
    device: str,
    data: str,
    **rest: Any,
) -> CurvatureStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    if method not in METHODS:
        raise unknown_name("--method", method, METHODS)
    groups = resolved_groups(
        data=data,
        examples=examples,
        matching_pool=matching_pool,
        attacks=attacks,
        adversarial=adversarial,
        controls=controls,
    )
    for name, number in (
        ("batch_size", batch_size),
        ("threads", threads),
        ("spectrum", spectrum),
        ("vectors", vectors),
    ):
        positive(number, f"--{name}")
    for name, number in (("probes", probes), ("draws", draws)):
        if number < 2:
            raise InputError(f"--{name}: expected at least 2, found {number}.")
    if boundary_steps and boundary_steps < 2:
        raise InputError(f"--boundary_steps: expected 0 or at least 2, found {boundary_steps}.")
    study = CurvatureStudy(
        **groups,
        method=method,
        spectrum=spectrum,
        vectors=vectors,
        probes=probes,
        boundary_steps=boundary_steps,
        boundary_radii=(),
        draws=draws,
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        data=data,
        **rest,
    )
    pixels = prod(study.all_images.shape)
    default = [float(f"{scale * pixels**0.5:.2g}") for scale in _SCALES]
    radii = default if boundary_radii is None else float_list(boundary_radii, "--boundary_radii")
    if not radii or not all(0 < radius < float("inf") for radius in radii):
        raise InputError(f"--boundary_radii: expected lengths above 0, found {radii}.")
    # Fails early where the method does not suit the network.
    method_of(Loss(study.classifier, torch.zeros(1, dtype=torch.int64)), _first(study), method)
    return replace(study, boundary_radii=tuple(sorted(set(radii))))


def _first(study: CurvatureStudy) -> Tensor:
    return study.all_images.tensors([0], device=study.device)[0]
