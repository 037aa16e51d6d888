"""The report of a collection: what was kept, how large it is, and how to open it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from core.report import Report, words
from core.report.facts import run_facts

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from interpret.collect.study import CollectStudy


def write(study: CollectStudy, run: RunDirectory) -> dict[str, Any]:
    """Write report.html of a finished run; return the summary."""
    table = run.results()
    sets = table.drop_duplicates("split")
    size, images = int(table["bytes"].sum()), int(sets["n"].sum())
    text = (
        f"{words.counted(len(study.layers), 'layer')} of {images:,} images are kept in "
        f"{_size(size)} ({study.dtype}, {study.form})."
    )
    report = Report(
        "Hidden representations",
        f"{study.model} on {study.data}: {words.several(list(study.layers))}",
    )
    report.finding(text)
    report.section("What was collected")
    report.table(
        pd.DataFrame(
            {
                "split": table["split"],
                "layer": table["layer"],
                "images": table["n"],
                "shape": [" x ".join(str(int(side)) for side in s) for s in table["shape"]],
                "numbers": [_numbers(s) for s in table["shape"]],
                "size": table["bytes"].map(_size),
            }
        ),
        "A row for each split and layer; the shape is that of one image's representation.",
        {"images": ",d", "numbers": ",d"},
    )
    report.section("How it was made")
    report.facts(
        {
            "classifier": f"{study.model}, weights {study.identity()['classifier'][:12]}",
            **{f"split {row['split']}": _split_fact(row) for row in sets.to_dict("records")},
            **run_facts(
                run.environment(), seed=study.seed, device=study.device, threads=study.threads
            ),
        }
    )
    report.section("Use it")
    first = next(iter(study.sets))
    report.text(
        f"`open_collection('{run.path}/representations/{first}', ['{study.layers[-1]}'], "
        f"form='{study.form}', dtype='{study.dtype}')` of `core.representations` opens it as "
        "memory maps, with `.ids` and `.labels`; `interpret.build_index` makes it searchable."
    )
    report.section("Repeat it")
    report.config(study.settings(), f"python -m interpret.collect --config {run.path}/config.yaml")
    report.write(run.report)
    return {
        "findings": [{"text": text, "significant": None, "verdict": "", "group": ""}],
        "layers": list(study.layers),
        "splits": {str(r["split"]): int(r["n"]) for r in sets.to_dict("records")},
        "bytes": size,
    }


def _split_fact(row: dict[Any, Any]) -> str:
    right = "" if pd.isna(row["accuracy"]) else f"; {100 * row['accuracy']:.1f} % told right"
    pace = row["n"] / max(row["seconds"], 1e-9)
    return f"{row['n']:,} images{right}; {words.duration(row['seconds'])}, {pace:,.0f} a second"


def _numbers(shape: list[int]) -> int:
    total = 1
    for side in shape:
        total *= int(side)
    return total


def _size(count: int) -> str:
    for unit, power in (("GiB", 30), ("MiB", 20)):
        if count >= 2 ** (power - 1):
            return f"{count / 2**power:.1f} {unit}"
    return f"{count / 2**10:.1f} KiB"
