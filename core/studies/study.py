"""What a command provides to be run as a study: its units, and how one of them is computed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas

    from core.studies.run_directory import RunDirectory

BLOCK = 50
"""Examples in a unit: fixed, so that neither launcher nor batch size changes a result."""

_LONGEST_PART = 120
_KEY_PART = re.compile(r"[A-Za-z0-9_+=@-][A-Za-z0-9_+=@.-]*")


@dataclass(frozen=True)
class Unit:
    """The smallest resumable piece of a study.

    Attributes:
        key: names the shard, `shards/<key>.parquet`; letters, digits and `_ + = @ . -`, with `/`
            between folders. `file_safe` makes such a part out of any text.
        phase: units of phase k + 1 start when every unit of phase k is finished.
        settings: plain values that say what is to be computed.
    """

    key: str
    phase: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in self.key.split("/"):
            if not _KEY_PART.fullmatch(part) or len(part) > _LONGEST_PART:
                raise ValueError(f"unit key {self.key!r}: {part!r} is not a file-safe part")


class Study(Protocol):
    """The work of one command: picklable, cheap to construct, loading nothing before it is asked.

    What is expensive to load (classifier, images) is best kept in an attribute of the instance
    that pickling leaves out: each process holds one instance and computes many units with it.
    """

    @property
    def command(self) -> str:
        """The dotted name of the command, such as `landscape.flatness`."""

    def settings(self) -> dict[str, Any]:
        """Return the resolved settings: the content of config.yaml, the command's own options."""

    def identity(self) -> dict[str, Any]:
        """Return fingerprints of what the settings name: classifier, images, artifacts."""

    def units(self) -> Sequence[Unit]:
        """Return the units in the order of the results; fixed by settings and identity alone."""

    def compute(self, unit: Unit, run: RunDirectory) -> pandas.DataFrame:
        """Return the shard of a unit; may read the shards of earlier phases through `run`."""

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        """Write figures and report of the finished run, and return the content of summary.json."""


class UnitError(RuntimeError):
    """A unit could not be computed; what is finished is kept, and the message names the unit."""


def file_safe(text: str) -> str:
    """Return a readable part of a unit key for any text, different for different texts.

    >>> file_safe("genuine"), file_safe("pgd(norm=linf, eps=8/255)")
    ('genuine', 'pgd-norm=linf-eps=8-255-3d12a1')
    """
    if _KEY_PART.fullmatch(text) and len(text) <= _LONGEST_PART:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    readable = re.sub(r"[^A-Za-z0-9_+=@.-]+", "-", text).strip("-.")[: _LONGEST_PART - 7]
    return f"{readable}-{digest}" if readable else digest


def blocks(count: int, start: int = 0, size: int = BLOCK) -> list[tuple[int, int]]:
    """Cut the places from `start` to `count` into blocks: (first, one past the last) of each.

    >>> blocks(120), blocks(60, start=40)
    ([(0, 50), (50, 100), (100, 120)], [(40, 60)])
    """
    return [(i, min(i + size, count)) for i in range(start, count, size)]


def block_units(
    task: str, of: str, spans: Sequence[tuple[int, int]], *, phase: int, **settings: Any
) -> list[Unit]:
    """Return a unit `task/of/start` for each block, which has `start` and `stop` in its settings.

    >>> [unit.key for unit in block_units("craft", "fgsm", blocks(60), phase=0)]
    ['craft/fgsm/000000', 'craft/fgsm/000050']
    """
    return [
        Unit(
            f"{task}/{file_safe(of)}/{start:06d}", phase, {**settings, "start": start, "stop": stop}
        )
        for start, stop in spans
    ]


def checked_units(study: Study) -> list[Unit]:
    """Return the study's units, having made sure that there are some and that no key is doubled."""
    units = list(study.units())
    if not units:
        raise ValueError(f"{study.command}: the study lists no unit")
    seen: set[str] = set()
    for unit in units:
        if unit.key.lower() in seen:  # not every file system tells upper from lower case
            raise ValueError(f"{study.command}: two units have the key {unit.key!r}")
        seen.add(unit.key.lower())
    return units
