"""The study of slices: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from attacks import parse
from attacks.crafted_shards import crafted_shards
from attacks.recipe_lists import is_control
from attacks.tables import images_of
from core.errors import InputError, unknown_name
from core.models import resolve_device
from core.options import positive, split_list, within
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit
from core.studies.study import block_units
from landscape.comparison import SUCCESS
from landscape.groups import GroupStudy, resolved_groups
from landscape.groups.options import NONE
from landscape.slices import report
from landscape.slices.drawing.local import SHOWN
from landscape.slices.evaluation import BOXES
from landscape.slices.kinds import ALL, LINES, SLICES, TWIN
from landscape.slices.measures import measure, way_between
from landscape.slices.pictured import (
    Scene,
    frames_of,
    lines_of,
    planes_of,
    scene_facts,
    scenes,
)

WIDER = 1.5
"""The default radius, in multiples of the longest step that the attacks may make."""
FARTHER = 16
"""The default reach, in multiples of the radius."""
COARSER = 0.6
"""The points along a side of the animation's planes, as a share of those of the still ones."""


def default_radius(recipes: Sequence[str], pixels: int) -> float:
    """Return the l2 radius of the slices: somewhat more than the attacks may move an image.

    Without an attack that has a radius it is 1.2 % of the diagonal of the box.

    >>> default_radius(["fgsm(norm=linf, eps=0.2)", "pgd(norm=l2, eps=1.0)"], 64)
    2.4
    """
    lengths = []
    for name in recipes:
        recipe = parse(name)
        eps, norm = recipe.get("eps"), recipe.get("norm")
        if eps is not None and not is_control(name):
            lengths.append(float(eps) * pixels**0.5 if norm == "linf" else float(eps))
    longest = max((x for x in lengths if x > 0), default=0.008 * pixels**0.5)
    return float(f"{WIDER * longest:.2g}")


@dataclass(frozen=True)
class SlicesStudy(GroupStudy):
    """The resolved settings of one study of slices; see `run` for what each means."""

    slices: tuple[str, ...]
    twins: str | None
    radius: float
    reach: float
    points: int
    resolution: int
    pictures: int
    frames: int
    box: str

    command = "landscape.slices"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The directions of lines."""
        return tuple(kind for kind in LINES if kind in self.slices)

    def units(self) -> list[Unit]:
        """Return the units that craft, those that evaluate planes, and those that follow lines."""
        units = self.craft_units()
        first = self.first_phase
        slots = [(i, i + 1) for i in range(self.pictures)]
        units += block_units("planes", "example", slots, phase=first)
        units += block_units("closely", "example", slots[:SHOWN], phase=first)
        if self.frames and self.pictures:
            units.append(Unit("frames", first))
        for group in [GENUINE, *self.groups, *self.same_class]:
            spans = self.spans + self.pool_spans if group == GENUINE else self.spans
            units += block_units("lines", group, spans, phase=first + 1, group=group)
        return units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Craft, evaluate the planes of one example, or follow the lines of one block."""
        if self.is_crafting(unit):
            return self.crafted(unit, run)
        if unit.phase == self.first_phase:
            return self._drawn(unit, run)
        group, start, stop = (unit.settings[k] for k in ("group", "start", "stop"))
        version = self.version(group, start, stop, run)
        table = measure(
            self.classifier,
            version.images,
            version.labels,
            kinds=self.kinds,
            radius=self.radius,
            reach=self.reach,
            points=self.points,
            twins=self._twins(group, start, stop, run) if TWIN in self.kinds else None,
            ids=self.ids(start, stop),
            box=self.box,
            seed=self.seed,
            batch_size=self.batch_size,
        )
        if group in self.groups and TWIN in self.kinds:
            genuine, _ = self._genuine(start, stop)
            between = way_between(
                self.classifier, genuine, version.images, reach=self.reach, box=self.box,
                batch_size=self.batch_size,
            )  # fmt: skip
            table = pd.concat([table, between], axis=1)
        table.insert(1, "group", group)
        table.insert(2, "pool", start >= len(self.attacked))
        return self.known_of(table, version)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Join the shards, compare the groups, and write figures, artifacts and the report."""
        return report.write(self, run)

    def twin_group(self, run: RunDirectory) -> str | None:
        """Return the attack whose examples are the twins of the genuine images.

        It is the one that was asked for, or the one that fooled most: of those with a radius, if
        any fooled an image, because the examples of the others lie at the boundary by construction.
        None where there is no attack.
        """
        if self.twins is not None:
            return self.twins
        fooled = {
            group: int((run.read(crafted_shards(group))["status"] == SUCCESS).sum())
            for group in self.attacking
        }
        ranged = {g: n for g, n in fooled.items() if g in self.attacks and _has_radius(g) and n}
        chosen = ranged or fooled
        return max(chosen, key=lambda group: chosen[group]) if chosen else None

    def scenes(self, run: RunDirectory) -> list[Scene]:
        """Return the examples that are drawn."""
        group = self.twin_group(run)
        images, labels = self.chosen.tensors(device=self.device)
        return scenes(
            images,
            labels,
            self._predictions,
            self.ids(0, len(self.chosen)),
            len(self.attacked),
            None if group is None else run.read(crafted_shards(group)),
            self.pictures,
        )

    @cached_property
    def _predictions(self) -> Tensor:
        """What the classifier predicts for every chosen image."""
        with torch.no_grad():
            found = [
                self.classifier(images).argmax(1)
                for images, _ in self.chosen.batches(self.batch_size, device=self.device)
            ]
        return torch.cat(found)

    def _drawn(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Evaluate what is drawn of one example: planes, fine lines, or the animation."""
        drawn = self.scenes(run)
        place = unit.settings.get("start", 0)
        if place >= len(drawn):
            return pd.DataFrame({"id": []})
        scene = drawn[place]
        common: dict[str, Any] = {
            "radius": self.radius, "box": self.box, "seed": self.seed,
            "batch_size": self.batch_size,
        }  # fmt: skip
        if unit.key == "frames":
            side = max(3, round(COARSER * self.resolution) // 2 * 2 + 1)
            table = frames_of(self.classifier, scene, points=side, count=self.frames, **common)
        elif unit.key.startswith("closely/"):
            table = lines_of(self.classifier, scene, self.kinds, reach=self.reach, **common)
        else:
            table = planes_of(self.classifier, scene, self.slices, points=self.resolution, **common)
        return table.assign(**scene_facts(scene)) if len(table) else pd.DataFrame({"id": []})

    def _twins(self, group: str, start: int, stop: int, run: RunDirectory) -> Tensor:
        """Return what lies at the other end of each example's way; NaN where nothing does."""
        images, _ = self._genuine(start, stop)
        if group in self.groups:
            return images
        nothing = torch.full_like(images, torch.nan)
        of = self.twin_group(run)
        if of is None or group != GENUINE or start >= len(self.attacked):
            return nothing
        made = run.read(f"{crafted_shards(of)}{start:06d}")
        fooled = torch.tensor((made["status"] == SUCCESS).to_numpy(), device=images.device)
        twins = images_of(made, self.chosen.shape).to(images)
        return torch.where(fooled.reshape(-1, *[1] * (images.ndim - 1)), twins, nothing)


def plan(
    *,
    examples: int,
    matching_pool: int | None,
    attacks: Sequence[str] | str | None,
    adversarial: Sequence[str] | str | None,
    controls: Sequence[str] | str | None,
    slices: Sequence[str] | str,
    twins: str | None,
    radius: float | None,
    reach: float | None,
    points: int,
    resolution: int,
    pictures: int,
    frames: int,
    box: str,
    batch_size: int,
    threads: int,
    device: str,
    data: str,
    **rest: Any,
) -> SlicesStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    kinds = split_list(slices, "--slices")
    for kind in kinds:
        if kind not in (*SLICES, ALL):
            raise unknown_name("--slices", kind, (*SLICES, ALL))
    if not kinds or (ALL in kinds and len(kinds) > 1):
        raise InputError(f"--slices: expected {ALL}, or some of {', '.join(SLICES)}.")
    if not set(LINES) & {*kinds} and kinds != [ALL]:
        raise InputError(
            "--slices: three_inputs is a plane; give at least one direction of lines, too: "
            f"{', '.join(LINES)}."
        )
    for name, number in (("radius", radius), ("reach", reach)):
        if number is not None:
            positive(number, f"--{name}")
    for name, number in (("batch_size", batch_size), ("threads", threads)):
        positive(number, f"--{name}")
    for name, number, least in (("points", points, 5), ("resolution", resolution, 5)):
        if number < least or not number % 2:
            raise InputError(f"--{name}: expected an odd number from {least}, found {number}.")
    within(pictures, 0, 99, "--pictures")
    if frames and not 6 <= frames <= 99:
        raise InputError(f"--frames: expected 0, or 6 to 99, found {frames}.")
    if box not in BOXES:
        raise unknown_name("--box", box, BOXES)
    groups = resolved_groups(
        data=data,
        examples=examples,
        matching_pool=matching_pool,
        attacks=attacks,
        adversarial=adversarial,
        controls=controls,
        default_controls=NONE,
    )
    study = SlicesStudy(
        **groups,
        slices=SLICES if kinds == [ALL] else tuple(kind for kind in SLICES if kind in kinds),
        twins=None,
        radius=radius or 0.0,
        reach=reach or 0.0,
        points=points,
        resolution=resolution,
        pictures=pictures,
        frames=frames,
        box=box,
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        data=data,
        **rest,
    )
    pixels = prod(study.all_images.shape)
    drawn = radius if radius is not None else default_radius(study.attacks, pixels)
    farthest = reach if reach is not None else min(FARTHER * drawn, float(f"{pixels**0.5:.4g}"))
    if farthest < drawn:
        raise InputError(f"--reach: expected at least the radius {drawn:g}, found {farthest:g}.")
    return replace(
        study, twins=_named(twins, study.attacking), radius=float(drawn), reach=float(farthest)
    )


def _named(name: str | None, attacking: Sequence[str]) -> str | None:
    """Return the group that is asked for.

    Raises:
        InputError: there is no such attack.
    """
    if name is None or name in attacking:
        return name
    try:
        canonical = str(parse(name, argument="--twins"))
    except InputError:
        canonical = name
    if canonical not in attacking:
        raise unknown_name("--twins", name, attacking)
    return canonical


def _has_radius(group: str) -> bool:
    return parse(group).get("eps") is not None
