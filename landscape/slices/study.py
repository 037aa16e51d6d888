"""The study of slices: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from attacks.crafted_shards import crafted_shards
from attacks.tables import images_of
from core.errors import InputError, unknown_name
from core.models import resolve_device
from core.options import positive, within
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit
from core.studies.study import BLOCK, block_units, blocks
from landscape.comparison import SUCCESS
from landscape.groups import GroupStudy, resolved_groups
from landscape.groups.options import NONE
from landscape.slices import report
from landscape.slices.drawing.local import SHOWN
from landscape.slices.evaluation import BOXES
from landscape.slices.kinds import LINES, TWIN
from landscape.slices.measures import measure, way_between
from landscape.slices.options import FARTHER, default_radius, has_radius, kinds_of, named_group
from landscape.slices.pictured import frame_places, frames_of, lines_of, planes_of
from landscape.slices.scenes import Scene, choose

CHOSEN = "chosen"
"""The key of the unit that chooses the attack of the twins and the examples that are drawn."""
FRAMES = 7
"""Frames of the animation in a unit."""
COARSER = 0.6
"""The points along a side of the animation's planes, as a share of those of the still ones."""


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
        """Return the units: crafting, then what is drawn, its planes, and last the lines."""
        first = self.first_phase
        slots = [(i, i + 1) for i in range(self.pictures)]
        units = [*self.craft_units(), Unit(CHOSEN, first)]
        units += block_units("planes", "example", slots, phase=first + 1)
        units += block_units("closely", "example", slots[:SHOWN], phase=first + 1)
        if self.pictures:
            spans = blocks(self.frames, size=FRAMES)
            units += block_units("frames", "example", spans, phase=first + 1)
        for group in [GENUINE, *self.groups, *self.same_class]:
            spans = self.spans + self.pool_spans if group == GENUINE else self.spans
            units += block_units("lines", group, spans, phase=first + 2, group=group)
        return units

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Craft, choose what is drawn, draw it, or follow the lines of one block."""
        if self.is_crafting(unit):
            return self.crafted(unit, run)
        if unit.key == CHOSEN:
            return self._choose(run)
        if unit.phase == self.first_phase + 1:
            return self._drawn(unit, run)
        return self._lines(
            unit.settings["group"], unit.settings["start"], unit.settings["stop"], run
        )

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Join the shards, compare the groups, and write figures, artifacts and the report."""
        return report.write(self, run)

    def twin_group(self, run: RunDirectory) -> str | None:
        """Return the attack whose examples are the twins of genuine images; None without any."""
        return str(run.read(CHOSEN)["twins"].iloc[0]) or None

    def scenes(self, run: RunDirectory) -> list[Scene]:
        """Return the examples that are drawn."""
        rows = run.read(CHOSEN)
        group = str(rows["twins"].iloc[0])
        places = {str(name): i for i, name in enumerate(self.chosen.ids)}
        found = []
        for name, other in zip(rows["id"], rows["other"], strict=True):
            if not name:
                continue
            image, label = self._one(places[name])
            twin = None
            if rows["fooled"].iloc[0]:
                start = places[name] // BLOCK * BLOCK
                made = run.read(f"{crafted_shards(group)}{start:06d}")
                made = made[made["id"] == name].reset_index(drop=True)
                twin = images_of(made, self.chosen.shape).to(image)
            beyond = self._one(places[other])[0] if other else None
            found.append(Scene(name, image, label, twin, beyond, other))
        return found

    def most_fooling(self, fooled: Mapping[str, int]) -> str | None:
        """Return the attack that makes the twins, from how many images each of them fooled.

        It is the one that was asked for, or the one that fooled most: of those with a radius, if
        any fooled an image, because the examples of the others lie at the boundary by construction.
        None where there is no attack.
        """
        if self.twins is not None:
            return self.twins
        ranged = {g: n for g, n in fooled.items() if g in self.attacks and has_radius(g) and n}
        chosen = ranged or fooled
        return max(chosen, key=lambda group: chosen[group]) if chosen else None

    def _choose(self, run: RunDirectory) -> pd.DataFrame:
        """Choose the attack that makes the twins, and the examples that are drawn."""
        made = {
            group: run.read(crafted_shards(group))[["id", "status", "prediction"]]
            for group in self.attacking
        }
        won = {group: table[table["status"] == SUCCESS] for group, table in made.items()}
        group = self.most_fooling({name: len(table) for name, table in won.items()})
        images, labels = self.chosen.tensors(device=self.device)
        ids = self.ids(0, len(self.chosen))
        places = {name: i for i, name in enumerate(ids)}
        taken = {}
        if group is not None:
            pairs = zip(won[group]["id"], won[group]["prediction"], strict=True)
            taken = {places[str(name)]: int(c) for name, c in pairs}
        right = torch.zeros(len(ids), dtype=torch.bool, device=labels.device)
        right[self.right] = True
        drawn = choose(images, labels, right, taken, len(self.attacked), self.pictures)
        rows = [
            {"id": ids[i], "other": ids[other] if other >= 0 else ""} for i, other in drawn
        ] or [{"id": "", "other": ""}]
        return pd.DataFrame(rows).assign(twins=group or "", fooled=bool(taken))

    def _drawn(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Evaluate what is drawn of one example: planes, fine lines, or the animation."""
        drawn = self.scenes(run)
        start, stop = unit.settings["start"], unit.settings["stop"]
        task = unit.key.partition("/")[0]
        place = 0 if task == "frames" else start
        if place >= len(drawn):
            return pd.DataFrame({"id": []})
        scene = drawn[place]
        common: dict[str, Any] = {
            "radius": self.radius, "box": self.box, "seed": self.seed,
            "batch_size": self.batch_size,
        }  # fmt: skip
        if task == "frames":
            side = max(3, round(COARSER * self.resolution) // 2 * 2 + 1)
            places = frame_places(self.frames)[start:stop]
            table = frames_of(
                self.classifier, scene, points=side, places=places, first=start, **common
            )
        elif task == "closely":
            table = lines_of(self.classifier, scene, self.kinds, reach=self.reach, **common)
        else:
            table = planes_of(self.classifier, scene, self.slices, points=self.resolution, **common)
        return table.assign(id=scene.id) if len(table) else pd.DataFrame({"id": []})

    def _lines(self, group: str, start: int, stop: int, run: RunDirectory) -> pd.DataFrame:
        """Follow the lines of one block of one group."""
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

    def _one(self, place: int) -> tuple[Tensor, int]:
        """Return one of the chosen images, `(1, c, h, w)`, and its class."""
        image, label = self._genuine(place, place + 1)
        return image, int(label[0])


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
    kinds = kinds_of(slices)
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
        slices=kinds,
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
        study, twins=named_group(twins, study.attacking), radius=float(drawn), reach=float(farthest)
    )
