"""The flatness study: its settings, its units of work, and what one unit computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import pandas as pd

from core.errors import InputError, unknown_name
from core.losses import LOSSES
from core.models import resolve_device
from core.options import float_list, positive
from core.report.versions import GENUINE
from core.studies import RunDirectory, Unit
from core.studies.study import block_units
from landscape.flatness import report
from landscape.flatness.measures import measure
from landscape.groups import GroupStudy, resolved_groups
from landscape.groups.options import ALL, NONE

REFERENCES = ("predicted", "true", "target")

# l2 radii as multiples of sqrt(d), so that noise of one radius is equally visible at every image
# size; worst cases happen at much smaller radii, which depend on how fragile the classifier is.
_NOISE_STEPS = (0.00625, 0.0125, 0.025, 0.05, 0.1)
_WORST_CASE = {
    "digits": {"l2": (0.05, 0.1, 0.2, 0.5), "linf": (0.01, 0.02, 0.05, 0.1)},
    "photographs": {"l2": (0.05, 0.1, 0.2, 0.5), "linf": (0.25 / 255, 0.5 / 255, 1 / 255, 2 / 255)},
}


def default_radii(pixels: int) -> tuple[float, ...]:
    """Return the l2 radii of the noise for images of `pixels` values (channels included).

    >>> default_radii(64)
    (0.05, 0.1, 0.2, 0.4, 0.8)
    """
    return tuple(float(f"{step * pixels**0.5:.2g}") for step in _NOISE_STEPS)


@dataclass(frozen=True)
class FlatnessStudy(GroupStudy):
    """The resolved settings of one flatness study; see `run` for what each means."""

    loss: str
    reference: str
    radii: tuple[float, ...]
    worst_case_l2: tuple[float, ...]
    worst_case_linf: tuple[float, ...]
    worst_case_steps: int
    draws: int

    command = "landscape.flatness"

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
            ids=self.ids(start, stop),
            loss=self.loss,
            reference=self.reference,
            radii=self.radii,
            worst_case_l2=self.worst_case_l2,
            worst_case_linf=self.worst_case_linf,
            worst_case_steps=self.worst_case_steps,
            draws=self.draws,
            seed=self.seed,
            batch_size=self.batch_size,
        )
        table.insert(1, "group", group)
        table.insert(2, "pool", start >= len(self.attacked))
        return self.known_of(table, version)

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
    loss: str,
    reference: str,
    radii: Sequence[float] | str | None,
    worst_case_l2: Sequence[float] | str | None,
    worst_case_linf: Sequence[float] | str | None,
    worst_case_steps: int,
    draws: int,
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
    if draws < 4 or draws % 2:
        raise InputError(f"--draws: expected an even number of at least 4, found {draws}.")
    study = FlatnessStudy(
        **groups,
        loss=loss,
        reference=reference,
        radii=(),
        worst_case_l2=_radii(worst_case_l2, "worst_case_l2", _WORST_CASE[kind]["l2"]),
        worst_case_linf=_radii(worst_case_linf, "worst_case_linf", _WORST_CASE[kind]["linf"]),
        worst_case_steps=worst_case_steps,
        draws=draws,
        batch_size=batch_size,
        threads=threads,
        device=str(resolve_device(device)),
        data=data,
        **rest,
    )
    pixels = prod(study.all_images.shape)
    return replace(study, radii=_radii(radii, "radii", default_radii(pixels)))


def _radii(
    given: Sequence[float] | str | None, name: str, default: tuple[float, ...]
) -> tuple[float, ...]:
    values = default if given is None else tuple(float_list(given, f"--{name}"))
    if not values or not all(0 < v < float("inf") for v in values):
        raise InputError(f"--{name}: expected lengths above 0, found {list(values)}.")
    return tuple(sorted(set(values)))
