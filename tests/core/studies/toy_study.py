"""A study that needs no model: seeded numpy work, with switches for what can go wrong."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import InputError
from core.studies import RunDirectory, Unit, run_study


@dataclass(frozen=True)
class Toy:
    units_count: int = 12
    rows: int = 5
    seed: int = 0
    milliseconds: int = 20
    fail: str | None = None
    trace: str | None = None
    command = "tests.toy"

    def settings(self) -> dict[str, Any]:
        return {
            "units": self.units_count,
            "rows": self.rows,
            "seed": self.seed,
            "milliseconds": self.milliseconds,
            "fail": self.fail,
            "trace": self.trace,
        }

    def identity(self) -> dict[str, Any]:
        return {"content": "5f" * 32}

    def units(self) -> list[Unit]:
        blocks = [Unit(f"block={i}/values", 0, {"block": i}) for i in range(self.units_count)]
        return [*blocks, *(Unit(f"sum={i}", 1, {"part": i}) for i in range(2))]

    def compute(self, unit: Unit, run: RunDirectory) -> pd.DataFrame:
        begun = time.time()
        if unit.phase == 1:
            values = run.read("block=")["value"].to_numpy()
            assert len(values) == self.units_count * self.rows
            part = unit.settings["part"]
            return pd.DataFrame({"part": [part], "value": [values[part::2].sum()]})
        block = unit.settings["block"]
        self._fail(block)
        generator = np.random.default_rng([self.seed, block])
        value = np.zeros(self.rows)
        end = time.monotonic() + self.milliseconds / 1000
        for step in range(10):  # the same numbers whatever the clock says
            a = generator.standard_normal((self.rows, 64))
            value = value + np.sin(a @ a[0]) / (step + 1)
        time.sleep(max(0.0, end - time.monotonic()))
        if self.trace:
            with open(self.trace, "a") as file:
                file.write(f"{os.getpid()} {begun} {time.time()} {block}\n")
        return pd.DataFrame({"block": block, "row": range(self.rows), "value": value})

    def summarise(self, run: RunDirectory) -> dict[str, Any]:
        run.report.write_text("<p>done</p>")
        return {"total": float(run.results()["value"].sum()), "missing": float("nan")}

    def _fail(self, block: int) -> None:
        if block != 3 or not self.fail:
            return
        if self.fail == "input":
            raise InputError("--data: image 3 is broken.")
        if self.fail == "bug":
            raise ZeroDivisionError("by design")
        if self.fail == "die":
            os.kill(os.getpid(), 9)


def run(
    units: int = 12,
    rows: int = 5,
    seed: int = 0,
    milliseconds: int = 20,
    fail: str | None = None,
    trace: str | None = None,
    out: str | None = None,
    launch: str = "inline",
    workers: int = 2,
    threads: int = 1,
    slurm: dict[str, Any] | None = None,
    cluster: str = "slurm",
) -> RunDirectory:
    """Add up seeded numbers.

    Args:
        units: how many blocks.
        rows: rows of a block.
        seed: the seed.
        milliseconds: how long a block takes at least.
        fail: what goes wrong in block 3.
        trace: a file that gets a line for each computed block.
        out: the run directory.
        launch: inline, processes or slurm.
        workers: how many processes.
        threads: threads of each.
        slurm: options of Slurm.
        cluster: the stand-in for Slurm.
    """
    study = Toy(units, rows, seed, milliseconds, fail, trace)
    return run_study(
        study,
        out=Path(out) if out else None,
        launch=launch,
        workers=workers,
        threads=threads,
        slurm=slurm,
        cluster=cluster,
    )


if __name__ == "__main__":
    from core.cli import command

    command(run, prog="python -m toy_study")
