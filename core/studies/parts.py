"""A study made of studies: one run directory and one queue of units, with shards they share.

Each part is a study of its own and does not know that it is one. Its units become units of the
whole, `PART/KEY`; units that several parts have, such as those that craft, are computed once under
their own key. A part's results, figures and report lie in a folder of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.files import write_json, write_text
from core.studies import shards
from core.studies.run_directory import RunDirectory, joined
from core.studies.settings import finite, plain, to_yaml
from core.studies.study import Study, Unit

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, kw_only=True)
class PartRun(RunDirectory):
    """The run directory as a part sees it: a folder of its own, and its shards in the whole's.

    Attributes:
        whole: the run directory of the whole.
        name: of the part.
        shared: the keys that it has in common with other parts, by which their shards are named.
    """

    whole: RunDirectory
    name: str
    shared: frozenset[str] = frozenset()

    def whole_key(self, key: str) -> str:
        """Return the whole's key of one of the part's units."""
        return key if key in self.shared else f"{self.name}/{key}"

    def shard_path(self, key: str) -> Path:
        """Return where the shard of a unit lies, finished or not."""
        return self.whole.shard_path(self.whole_key(key))

    def is_finished(self, key: str) -> bool:
        """Tell whether the shard of a unit is there, whole."""
        return self.whole.is_finished(self.whole_key(key))

    def environment(self) -> dict[str, Any]:
        """Return what the whole's run directory knows of its making."""
        return self.whole.environment()

    @property
    def adversarial(self) -> Path:
        """The folder of the crafted examples, which the parts share."""
        return self.whole.adversarial


@dataclass(frozen=True)
class Parts:
    """The studies that make up a study.

    Attributes:
        studies: by name, a file-safe word.
        shared: says which units are the same work in all parts that have a unit of that key; such
            units have to have the same settings everywhere.
    """

    studies: Mapping[str, Study]
    shared: Callable[[Unit], bool]

    @cached_property
    def _owners(self) -> dict[str, tuple[str, Unit]]:
        """Who computes each unit of the whole, and what the unit is to that part.

        Raises:
            ValueError: parts share a key, but not the work behind it.
        """
        owners: dict[str, tuple[str, Unit]] = {}
        for name, study in self.studies.items():
            for unit in study.units():
                key = unit.key if self.shared(unit) else f"{name}/{unit.key}"
                other, known = owners.setdefault(key, (name, unit))
                if (known.phase, dict(known.settings)) != (unit.phase, dict(unit.settings)):
                    raise ValueError(f"{other} and {name} do not agree on the unit {key!r}")
        return owners

    def units(self) -> list[Unit]:
        """Return the units of all parts; phases are those of the parts."""
        return [replace(unit, key=key) for key, (_, unit) in self._owners.items()]

    def compute(self, unit: Unit, run: RunDirectory) -> pandas.DataFrame:
        """Compute a unit of the whole as the part that has it does."""
        name, own = self._owners[unit.key]
        return self.studies[name].compute(own, self.run_of(name, run))

    def run_of(self, name: str, run: RunDirectory) -> PartRun:
        """Return the run directory of a part."""
        units = list(self.studies[name].units())
        return PartRun(
            path=run.path / name,
            keys=tuple(unit.key for unit in units),
            whole=run,
            name=name,
            shared=frozenset(unit.key for unit in units if self.shared(unit)),
        )

    def summarise(self, name: str, run: RunDirectory) -> dict[str, Any]:
        """Write results, figures, report and summary of a part whose units are finished.

        Returns:
            The content of its summary.json.
        """
        study, own = self.studies[name], self.run_of(name, run)
        own.path.mkdir(parents=True, exist_ok=True)
        units = list(study.units())
        last = max(unit.phase for unit in units)
        results = joined([own.shard_path(unit.key) for unit in units if unit.phase == last])
        shards.write_frame(own.path / "results.parquet", results)
        write_text(
            own.path / "config.yaml",
            f"# Repeats this part by itself: python -m {study.command} --config FILE\n"
            + to_yaml(plain(study.settings())),
        )
        summary = finite(plain(study.summarise(own)))
        write_json(own.path / "summary.json", summary)
        return dict(summary)
