"""A study made of studies computes what they would, once, and keeps their results apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.studies import RunDirectory, Unit, run_study
from core.studies.parts import Parts
from core.studies.run_directory import open_run


@dataclass(frozen=True)
class Part:
    """Adds a number to what both parts share."""

    number: int
    command = "tests.part"
    computed: list[str] = field(default_factory=list)

    def settings(self) -> dict[str, Any]:
        return {"number": self.number}

    def identity(self) -> dict[str, Any]:
        return {}

    def units(self) -> list[Unit]:
        common = [Unit(f"common/{i}", 0, {"i": i}) for i in range(2)]
        return [*common, Unit("own/0", 1, {"i": 0}), Unit("own/1", 1, {"i": 1})]

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        self.computed.append(unit.key)
        if unit.phase == 0:
            return pd.DataFrame({"value": [10 * (unit.settings["i"] + 1)]})
        common = run.read("common/")["value"].tolist()
        return pd.DataFrame({"value": [common[unit.settings["i"]] + self.number]})

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        run.report.write_text("done")
        (run.figures / "a.txt").write_text("a figure")
        (run.adversarial / "b.txt").write_text("an example")
        return {"total": int(run.results()["value"].sum()), "started": run.environment()["started"]}


def is_common(unit: Unit) -> bool:
    return unit.key.startswith("common/")


@dataclass(frozen=True)
class Whole:
    parts: Parts
    command = "tests.whole"

    def settings(self) -> dict[str, Any]:
        return {"numbers": [s.settings()["number"] for s in self.parts.studies.values()]}

    def identity(self) -> dict[str, Any]:
        return {}

    def units(self) -> list[Unit]:
        last = max(unit.phase for unit in self.parts.units())
        reports = [Unit(f"report/{name}", last + 1, {}) for name in self.parts.studies]
        return [*self.parts.units(), *reports]

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        if unit.key.startswith("report/"):
            name = unit.key.removeprefix("report/")
            return pd.DataFrame({"part": [name], **self.parts.summarise(name, run)})
        return self.parts.compute(unit, run)

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        return {"total": int(run.results()["total"].sum())}


def whole(*numbers: int) -> Whole:
    return Whole(Parts({f"part{n}": Part(n) for n in numbers}, is_common))


def test_parts_share_the_work_they_have_in_common_and_keep_their_own_results(
    tmp_path: Path,
) -> None:
    study = whole(1, 2)
    run = run_study(study, out=tmp_path / "run")
    computed = [key for part in study.parts.studies.values() for key in part.computed]  # type: ignore[attr-defined]
    assert sorted(computed) == ["common/0", "common/1", "own/0", "own/0", "own/1", "own/1"]
    assert run.results()["total"].tolist() == [10 + 20 + 2, 10 + 20 + 4]
    assert run.summary() == {"total": 66}
    for number in (1, 2):
        own = tmp_path / "run" / f"part{number}"
        assert pd.read_parquet(own / "results.parquet")["value"].tolist() == [
            10 + number,
            20 + number,
        ]
        assert (own / "report.html").read_text() == "done"
        assert (own / "figures" / "a.txt").exists()
        assert f"number: {number}" in (own / "config.yaml").read_text()
        assert not (own / "adversarial").exists()
    assert (tmp_path / "run" / "adversarial" / "b.txt").exists()


def test_a_part_gives_what_it_gives_by_itself(tmp_path: Path) -> None:
    run_study(whole(1, 2), out=tmp_path / "run")
    alone = run_study(Part(2), out=tmp_path / "alone")
    together = pd.read_parquet(tmp_path / "run" / "part2" / "results.parquet")
    pd.testing.assert_frame_equal(alone.results(), together)


def test_finished_units_of_a_part_are_not_computed_again(tmp_path: Path) -> None:
    run_study(whole(1, 2), out=tmp_path / "run")
    again = whole(1, 2)
    run_study(again, out=tmp_path / "run")
    assert not any(part.computed for part in again.parts.studies.values())  # type: ignore[attr-defined]
    run = again.parts.run_of("part1", RunDirectory(tmp_path / "run"))
    assert run.is_finished("own/0")
    assert run.is_finished("common/1")
    assert not run.is_finished("own/7")


def test_parts_that_mean_different_things_by_one_key_are_refused() -> None:
    @dataclass(frozen=True)
    class Other(Part):
        def units(self) -> list[Unit]:
            return [Unit("common/0", 0, {"i": 5})]

    with pytest.raises(ValueError, match="part and other do not agree on the unit 'common/0'"):
        Parts({"part": Part(1), "other": Other(1)}, is_common).units()


def test_the_part_s_run_directory_is_read_without_the_whole_study(tmp_path: Path) -> None:
    study = whole(3)
    run_study(study, out=tmp_path / "run")
    run = open_run(tmp_path / "run", "tests.whole", {"numbers": [3], "threads": 1}, {}, [])
    assert study.parts.run_of("part3", run).read("own/")["value"].tolist() == [13, 23]
