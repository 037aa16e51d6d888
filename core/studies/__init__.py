"""Studies: work cut into units with keys, computed by any launcher, resumed after any death.

A study lists its units; each writes one Parquet shard atomically, and a finished shard is never
computed again. See `Study` for what a command provides and `run_study` for what it gets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import attach

if TYPE_CHECKING:
    from core.studies.run_directory import RunDirectory as RunDirectory
    from core.studies.running import StudyInterrupted as StudyInterrupted
    from core.studies.running import run_planned as run_planned
    from core.studies.running import run_study as run_study
    from core.studies.study import Study as Study
    from core.studies.study import Unit as Unit
    from core.studies.study import UnitError as UnitError
    from core.studies.study import file_safe as file_safe

__getattr__, __dir__ = attach(
    __name__,
    {
        "RunDirectory": "core.studies.run_directory",
        "Study": "core.studies.study",
        "StudyInterrupted": "core.studies.running",
        "Unit": "core.studies.study",
        "UnitError": "core.studies.study",
        "file_safe": "core.studies.study",
        "run_planned": "core.studies.running",
        "run_study": "core.studies.running",
    },
)
