"""What a single measure is worth as a detector, in words: beside the loss alone, at equal loss."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from attacks.recipe_lists import is_control
from core.report import Finding, words
from core.statistics import Interval
from landscape.comparison import Comparison
from landscape.findings import apart
from landscape.measures import LOSS, measure_of

BESIDE = (("auc", "raw"), ("matched", "at equal loss"), ("control", "against its control"))
"""What the columns of an AUC begin with, and how the comparison is spoken of."""


def detectors(comparison: Comparison, labels: Mapping[str, str]) -> Finding:
    """Say for each attack which measure tells its examples best from genuine ones of equal loss.

    Only measures count whose difference stays in all comparisons at equal loss. The best is chosen
    on the data that its AUC is computed from, which the sentence says.
    """
    rows = comparison.discrimination[~comparison.discrimination["group"].map(is_control)]
    measures = rows[rows["measure"] != LOSS]
    kept = measures[measures["beyond"].fillna(0) != 0]
    number = measures["measure"].nunique()
    if not len(kept):
        return Finding(
            f"None of {number} measures tells adversarial examples from genuine images beyond what "
            "the loss at the centre tells.",
            False if measures["beyond"].notna().any() else None,
        )
    said = []
    for group, label in labels.items():
        own = kept[kept["group"] == group]
        if not len(own):
            continue
        best = own.iloc[int(apart(own).to_numpy().argmax())]
        baseline = rows[(rows["group"] == group) & (rows["measure"] == LOSS)].iloc[0]
        title = measure_of(str(best["measure"]), comparison.measures).title
        areas = [f"{_area(best, name)} {how}" for name, how in BESIDE if _known(best, name)]
        said.append(f"{label}: {title}, AUC {', '.join(areas)} (the loss alone: "
                    f"{_area(baseline, 'auc')})")  # fmt: skip
    return Finding(
        "As detectors, the best of "
        f"{words.counted(number, 'measure')}, chosen on these examples: {'; '.join(said)}.",
        True,
    )


def _known(row: pd.Series, name: str) -> bool:
    return bool(pd.notna(row[name if name == "auc" else f"{name}_auc"]))


def _area(row: pd.Series, name: str) -> str:
    estimate = name if name == "auc" else f"{name}_auc"
    return words.interval(
        Interval(float(row[estimate]), float(row[f"{name}_low"]), float(row[f"{name}_high"]))
    )
