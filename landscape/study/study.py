"""The study of everything: which studies it is made of, and how their options are resolved."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import pandas as pd

from core.errors import InputError, unknown_name
from core.models import resolve_device
from core.options import positive, split_list
from core.studies import RunDirectory, Study, Unit
from core.studies.parts import Parts
from landscape.groups import GroupStudy, resolved_groups
from landscape.study import report

PARTS: dict[str, frozenset[str]] = {
    "flatness": frozenset(),
    "curvature": frozenset(),
    "connectivity": frozenset(),
    "slices": frozenset(),
    "noise": frozenset({"attacks", "adversarial", "controls"}),
}
"""The studies, with the options of the whole that each decides for itself."""

EXECUTION = ("out", "launch", "workers", "slurm")
REPORT = "report"
"""The first part of the keys of the units that write a part's report."""


@dataclass(frozen=True)
class LandscapeStudy(GroupStudy):
    """The resolved settings of a study of everything; see `run` for what each means."""

    parts: tuple[str, ...]
    flatness: dict[str, Any] | None
    curvature: dict[str, Any] | None
    connectivity: dict[str, Any] | None
    slices: dict[str, Any] | None
    noise: dict[str, Any] | None

    command = "landscape.study"

    def identity(self) -> dict[str, Any]:
        """Return what classifier, images and files of all parts contain."""
        known: dict[str, Any] = dict(super().identity())
        for study in self.joined.studies.values():
            known |= study.identity()
        return known

    @cached_property
    def joined(self) -> Parts:
        """The studies that this one is made of."""
        return Parts({name: self._planned(name) for name in self.parts}, is_shared)

    def _planned(self, name: str) -> Study:
        """Return a part's study, its options resolved as its own command would."""
        own = getattr(self, name) or {}
        command = importlib.import_module(f"landscape.{name}.command").run
        parameters = inspect.signature(command).parameters
        common = {
            f.name: getattr(self, f.name) for f in fields(GroupStudy) if f.name not in PARTS[name]
        }
        common |= {"controls": list(self.controls) or "none"} if "controls" in common else {}
        possible = [p for p in parameters if p not in EXECUTION and p not in common]
        for option in own:
            if option in common:
                raise InputError(f"--{name}.{option}: is said for all parts, with --{option}.")
            if option not in possible:
                raise unknown_name(f"--{name}", option, possible)
        options = {
            option: own.get(option, common.get(option, parameter.default))
            for option, parameter in parameters.items()
            if option not in EXECUTION
        }
        plan = importlib.import_module(f"landscape.{name}.study").plan
        study: Study = plan(**options)
        return study

    def units(self) -> list[Unit]:
        """Return the units of all parts, then one for the report of each."""
        units = self.joined.units()
        last = max(unit.phase for unit in units) + 1
        return [*units, *(Unit(f"{REPORT}/{name}", last, {"part": name}) for name in self.parts)]

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        """Compute a unit of a part, or write a part's report."""
        if unit.key.startswith(f"{REPORT}/"):
            name = unit.settings["part"]
            return report.compared(name, self.joined.summarise(name, run))
        return self.joined.compute(unit, run)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Write the report that joins those of the parts."""
        return report.write(self, run)


def is_shared(unit: Unit) -> bool:
    """Say whether a unit is the same work in every part that has it: what crafts examples."""
    return unit.key.split("/")[0] in ("craft", "donors")


def plan(
    *,
    parts: Sequence[str] | str | None,
    flatness: Mapping[str, Any] | None,
    curvature: Mapping[str, Any] | None,
    connectivity: Mapping[str, Any] | None,
    slices: Mapping[str, Any] | None,
    noise: Mapping[str, Any] | None,
    examples: int,
    matching_pool: int | None,
    attacks: Sequence[str] | str | None,
    adversarial: Sequence[str] | str | None,
    controls: Sequence[str] | str | None,
    batch_size: int,
    threads: int,
    device: str,
    data: str,
    **rest: Any,
) -> LandscapeStudy:
    """Check the options of `run` and resolve its defaults.

    Raises:
        InputError: naming the option.
    """
    wanted = list(PARTS) if parts is None else split_list(parts, "--parts")
    for name in wanted:
        if name not in PARTS:
            raise unknown_name("--parts", name, PARTS)
    if not wanted or len(set(wanted)) < len(wanted):
        raise InputError(f"--parts: expected each study once, found {', '.join(wanted) or 'none'}.")
    own = {
        "flatness": flatness,
        "curvature": curvature,
        "connectivity": connectivity,
        "slices": slices,
        "noise": noise,
    }
    for name, options in own.items():
        if options and name not in wanted:
            raise InputError(f"--{name}: options of a study that --parts leaves out.")
    for name, number in (("batch_size", batch_size), ("threads", threads)):
        positive(number, f"--{name}")
    study = LandscapeStudy(
        **resolved_groups(
            data=data,
            examples=examples,
            matching_pool=matching_pool,
            attacks=attacks,
            adversarial=adversarial,
            controls=controls,
        ),
        parts=tuple(name for name in PARTS if name in wanted),
        **{name: dict(options) if options else None for name, options in own.items()},
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        data=data,
        **rest,
    )
    study.joined  # noqa: B018, what a part cannot use is said before anything is computed
    return study
