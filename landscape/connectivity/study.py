"""The connectivity study: its settings and its units of work (`computing` says what they do)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.errors import InputError, unknown_name
from core.models import resolve_device
from core.options import positive, split_list
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit
from core.studies.study import block_units, blocks
from landscape.connectivity import computing, kinds, report
from landscape.connectivity.ways import STRAIGHT, WAYS
from landscape.groups import GroupStudy, resolved_groups
from landscape.groups.same_class import control_of


@dataclass(frozen=True)
class ConnectivityStudy(GroupStudy):
    """The resolved settings of one connectivity study; see `run` for what each means."""

    paths: tuple[str, ...]
    pairs: int
    partners: int
    threshold: float
    budget: int
    points: int

    command = "landscape.connectivity"

    def units(self) -> list[Unit]:
        """Return the units that craft, those that choose pairs and join ends, those of paths."""
        seen, chosen = Unit(computing.SEEN), Unit(computing.CHOSEN, self.first_phase)
        units = [seen, *self.craft_units(), chosen]
        for group in [GENUINE, *self.groups, *self.same_class]:
            spans = self.spans + self.pool_spans if group == GENUINE else self.spans
            units += block_units(computing.ENDS, group, spans, phase=self.first_phase, group=group)
        for kind, group in self.kinds_of_pair:
            units += block_units(
                computing.PATHS, f"{kind} {group}", blocks(self.pairs), phase=self.first_phase + 1,
                kind=kind, group=group,
            )  # fmt: skip
        return units

    @property
    def kinds_of_pair(self) -> list[tuple[str, str]]:
        """The kinds of pair, each with the attack it belongs to; genuine-genuine to none."""
        found = [(kinds.GENUINE, "")]
        for group in self.attacking:
            for kind in kinds.KINDS[1:]:
                if kind != kinds.SAME_CLASS or control_of(group) in self.same_class:
                    found.append((kind, group))
        return found

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Compute one unit."""
        if unit.key == computing.SEEN:
            return computing.seen(self)
        if self.is_crafting(unit):
            return self.crafted(unit, run)
        if unit.key == computing.CHOSEN:
            return computing.chosen(self, run)
        if unit.key.startswith(f"{computing.ENDS}/"):
            return computing.ends(self, run, **unit.settings)
        return computing.paths(self, run, **unit.settings)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Join the shards, compare the groups, and write figures, artifacts and the report."""
        return report.write(self, run)


def plan(
    *,
    examples: int,
    matching_pool: int | None,
    attacks: Sequence[str] | str | None,
    adversarial: Sequence[str] | str | None,
    controls: Sequence[str] | str | None,
    paths: Sequence[str] | str | None,
    pairs: int,
    partners: int,
    threshold: float,
    budget: int,
    points: int,
    batch_size: int,
    threads: int,
    device: str,
    data: str,
    **rest: Any,
) -> ConnectivityStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    for name, number in (
        ("pairs", pairs),
        ("partners", partners),
        ("threshold", threshold),
        ("batch_size", batch_size),
        ("threads", threads),
    ):
        positive(number, f"--{name}")
    if budget < 0:
        raise InputError(f"--budget: expected 0 or more, found {budget}.")
    if points < 2:
        raise InputError(f"--points: expected at least 2, found {points}.")
    ways = split_list(paths, "--paths") or [STRAIGHT, "bypass"]
    for way in ways:
        if way not in WAYS:
            raise unknown_name("--paths", way, WAYS)
    return ConnectivityStudy(
        **resolved_groups(
            data=data,
            examples=examples,
            matching_pool=matching_pool,
            attacks=attacks,
            adversarial=adversarial,
            controls=controls,
        ),
        paths=tuple(way for way in WAYS if way in ways or way == STRAIGHT),
        pairs=pairs,
        partners=partners,
        threshold=threshold,
        budget=budget,
        points=points,
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        data=data,
        **rest,
    )
