"""What a single measure is worth as a detector, in words: beside the loss alone, at equal loss."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from attacks.recipe_lists import is_control
from core.report import Finding, words
from core.statistics import Interval
from landscape.comparison import Comparison
from landscape.findings import apart, as_noise
from landscape.flatness.catalogue import LABEL
from landscape.measures import LOSS, measure_of

BESIDE = (("auc", "raw"), ("matched", "at equal loss"), ("control", "against its control"))
"""What the columns of an AUC begin with, and how the comparison is spoken of."""
ON_THE_BOUNDARY = 0.05
"""Examples lie on the boundary where they are nearer to it than this share of the genuine ones."""


def detectors(comparison: Comparison, labels: Mapping[str, str]) -> Finding:
    """Say for each attack which measure tells its examples best from genuine ones of equal loss.

    Only measures count whose difference stays in all comparisons at equal loss, and that a noise
    control does not show as well; for examples on the boundary none of those that say no more than
    that they lie there. The best is chosen on the data that its AUC is computed from, which the
    sentence says.
    """
    rows = comparison.discrimination[~comparison.discrimination["group"].map(is_control)]
    measures = rows[rows["measure"] != LOSS]
    kept = measures[measures["beyond"].fillna(0) != 0]
    kept = kept[~as_noise(comparison.discrimination, kept)]
    number = measures["measure"].nunique()
    said = []
    for group, label in labels.items():
        own = kept[kept["group"] == group]
        aside = ""
        if on_the_boundary(comparison, group):
            families = [measure_of(str(m), comparison.measures).family for m in own["measure"]]
            own = own[[family != LABEL for family in families]]
            aside = ", those of the label aside, which lie at the boundary by construction"
        if not len(own):
            continue
        best = own.iloc[int(apart(own).to_numpy().argmax())]
        baseline = rows[(rows["group"] == group) & (rows["measure"] == LOSS)].iloc[0]
        title = measure_of(str(best["measure"]), comparison.measures).title
        areas = [f"{_area(best, name)} {how}" for name, how in BESIDE if _known(best, name)]
        said.append(
            f"{label}{aside}: {title}, AUC {', '.join(areas)} (the loss alone: "
            f"{_area(baseline, 'auc')})"
        )
    if said:
        return Finding(
            f"As detectors, the best of {words.counted(number, 'measure')}, chosen on these "
            f"examples: {'; '.join(said)}.",
            True,
        )
    return Finding(
        f"None of {words.counted(number, 'measure')} tells adversarial examples from genuine "
        "images of equal loss, beyond what a noise control shows, too.",
        False if measures["beyond"].notna().any() else None,
    )


def on_the_boundary(comparison: Comparison, group: str) -> bool:
    """Say whether a group was made to lie on the decision boundary, as minimum-norm examples."""
    rows = comparison.paired
    own = rows[(rows["group"] == group) & (rows["measure"] == "boundary_distance")]
    if not len(own) or own["median"].isna().any():
        return False
    return bool(own["median"].iloc[0] < ON_THE_BOUNDARY * own["genuine_median"].iloc[0])


def _known(row: pd.Series, name: str) -> bool:
    return bool(pd.notna(row[name if name == "auc" else f"{name}_auc"]))


def _area(row: pd.Series, name: str) -> str:
    estimate = name if name == "auc" else f"{name}_auc"
    return words.interval(
        Interval(float(row[estimate]), float(row[f"{name}_low"]), float(row[f"{name}_high"]))
    )
