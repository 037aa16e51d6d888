"""What a comparison of groups found, in words with their numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from attacks.recipe_lists import is_control
from core.report import Finding, words
from core.statistics import Interval
from landscape.comparison import Comparison
from landscape.measures import LOSS, measure_of, title
from landscape.sides import LEAST_PAIRS

NAMED = 3
"""Measures that the first sentence names of each group, those that differ most."""

_BADGES = {
    "survives": "stays at equal loss",
    "reverses": "turns round at equal loss",
    "appears": "appears at equal loss",
    "not significant": "not significant at equal loss",
    "no difference": "no difference",
    "no overlap": "no partners of equal loss",
    "no control": "no control",
}


def findings(comparison: Comparison, labels: Mapping[str, str], lead: str) -> list[Finding]:
    """Return the findings, the answer first: which differences are more than confidence.

    Args:
        comparison: of all groups.
        labels: their short names, in the order of the report.
        lead: the measure that the sentence of each group speaks of; its first column is taken.
    """
    found = [_answer(comparison, labels)]
    for group in labels:
        found += _of_group(comparison, group, labels[group], lead)
    return found


def beyond_loss(comparison: Comparison) -> pd.DataFrame:
    """Return the rows of attacks whose difference stays in all comparisons at equal loss."""
    rows = comparison.discrimination
    rows = rows[(rows["measure"] != LOSS) & ~rows["group"].map(is_control)]
    return rows[rows["beyond"].fillna(0) != 0]


def _answer(comparison: Comparison, labels: Mapping[str, str]) -> Finding:
    """Say which differences survive at equal loss, over all groups."""
    rows = comparison.discrimination
    rows = rows[(rows["measure"] != LOSS) & ~rows["group"].map(is_control)]
    raw = rows[(rows["auc_low"] > 0.5) | (rows["auc_high"] < 0.5)]
    testable = raw[raw["beyond"].notna()]
    kept = testable[testable["beyond"] != 0]
    if not len(rows):
        return Finding("No attack was studied, so there is nothing to compare.", None)
    if not len(testable):
        return Finding(
            f"{len(raw)} of {len(rows)} raw differences between adversarial and genuine examples "
            "are significant, but none can be told from confidence: no attack's examples share "
            "their loss with enough genuine images to be matched.",
            None,
        )
    controlled = " and against the same-class control" if rows["control_auc"].notna().any() else ""
    text = (
        f"Of {len(rows)} comparisons (attack x measure), {len(raw)} differ raw. "
        f"{len(testable)} of these could be repeated at equal loss{controlled}: {len(kept)} stay "
        f"significant, {len(testable) - len(kept)} do not, so that confidence alone may explain "
        "them."
    )
    if len(kept):
        parts = [
            f"{labels[str(group)]}: {_differing(comparison, of_group)}"
            for group, of_group in kept.groupby("group", sort=False)
        ]
        text += " At equal loss, compared with genuine images, " + "; ".join(parts) + "."
        alike = int(as_noise(comparison.discrimination, kept).sum())
        if alike:
            text += f" {alike} of them are no mark of an attack: the noise control shows them, too."
    return Finding(text, bool(len(kept)))


def apart(rows: pd.DataFrame) -> pd.Series:
    """Return how far from .5 the AUCs at equal loss are, the nearest of each row.

    That is what is left of a measure as a detector when neither confidence nor class helps it.
    """
    areas = rows[["matched_auc", "control_auc"]]
    return (areas - 0.5).abs().min(axis=1)


def as_noise(discrimination: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Return which of some rows of `discrimination` a noise control shows too, the same way.

    A measure that any step of that length moves says nothing of deceit.
    """
    controls = discrimination
    controls = controls[controls["group"].map(is_control) & (controls["beyond"].fillna(0) != 0)]
    shown = set(zip(controls["measure"], controls["beyond"], strict=True))
    keys = zip(rows["measure"], rows["beyond"], strict=True)
    return pd.Series([key in shown for key in keys], index=rows.index, dtype=bool)


def _differing(comparison: Comparison, rows: pd.DataFrame) -> str:
    """Name what differs most in a group, and how much more there is."""
    order = apart(rows).sort_values(ascending=False, kind="stable").index
    most = rows.loc[order].head(NAMED)
    said = []
    for sign, way in ((1, "larger"), (-1, "smaller")):
        names = [_named(comparison, m) for m in most[most["beyond"] == sign]["measure"]]
        said += [f"{way} {words.several(names)}"] if names else []
    more = f", and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f"{' and '.join(said)}{more}"


def _of_group(comparison: Comparison, group: str, label: str, lead: str) -> list[Finding]:
    paired = comparison.paired[comparison.paired["group"] == group]
    rows = comparison.discrimination[comparison.discrimination["group"] == group]
    usable = int(comparison.groups.set_index("group")["compared"][group])
    own = paired[[m == lead or m.startswith(f"{lead}@") for m in paired["measure"]]].iloc[0]
    if not np.isfinite(own["p"]):
        return [
            Finding(
                f"{label}: {usable} usable pairs are too few for a claim "
                f"(at least {LEAST_PAIRS} are needed).",
                about=group,
            )
        ]
    row = rows[rows["measure"] == own["measure"]].iloc[0]
    size = _interval(own, "estimate", "low", "high")
    ratio = own["effect"] != "difference"
    unit = measure_of(own["measure"], comparison.measures).unit
    compared = f"{size} times as large as" if ratio else f"larger by {size} {unit} than"
    named = title(own["measure"], comparison.measures)
    text = (
        f"Around {label} examples the {named}{',' * (',' in named)} is {compared} "
        f"around their genuine twins (more in {int(own['n_larger'])} of {int(own['n'])} pairs; "
        f"{words.p_value(own['p_holm'])}, Holm)."
    )
    return [
        Finding(
            f"{text} {_matched(row, ratio, unit)}{_controlled(row, ratio, unit)}",
            None if np.isnan(row["beyond"]) else bool(row["beyond"]),
            _badge(row),
            group,
        )
    ]


def _matched(row: pd.Series, ratio: bool, unit: str) -> str:
    if row["verdict"] == "no overlap":
        partners = int(row["matched_n"])
        images = "image has" if partners == 1 else "images have"
        return (
            f"Matched on the loss: cannot be said, only {partners} genuine {images} a loss like "
            "theirs."
        )
    return f"Matched on the loss: {_spoken(row, 'matched', row['verdict'], ratio, unit)}"


def _controlled(row: pd.Series, ratio: bool, unit: str) -> str:
    if row["control_verdict"] in ("no control", "too few"):
        return ""
    spoken = _spoken(row, "control", row["control_verdict"], ratio, unit)
    return f" Against the same-class control: {spoken}"


def _spoken(row: pd.Series, which: str, verdict: str, ratio: bool, unit: str) -> str:
    """Say what is left of a difference in one of the comparisons at equal loss."""
    size = _interval(row, f"{which}_estimate", f"{which}_effect_low", f"{which}_effect_high")
    size = f"{size} times" if ratio else f"{size} {unit}"
    area = _interval(row, f"{which}_auc", f"{which}_low", f"{which}_high")
    spoken = {
        "survives": f"the difference stays, {size}",
        "reverses": f"the difference turns round, {size}",
        "not significant": f"no significant difference left, {size}",
        "appears": f"a difference appears, {size}",
        "no difference": f"no difference either, {size}",
    }[verdict]
    return (
        f"{spoken} (AUC {area}, {int(row[f'{which}_n'])} pairs, "
        f"{words.p_value(row[f'{which}_p_holm'])}, Holm)."
    )


def _badge(row: pd.Series) -> str:
    """Return the verdict of both comparisons at equal loss."""
    matched, control = row["verdict"], row["control_verdict"]
    if row["beyond"] == 0 and {matched, control} & {"survives", "reverses", "appears"}:
        return "only in one of two comparisons"
    if matched == "no overlap" and control != "no control":
        return _BADGES[control]
    return _BADGES[matched]


def _named(comparison: Comparison, column: str) -> str:
    return measure_of(column, comparison.measures).title


def _interval(row: pd.Series, estimate: str, low: str, high: str) -> str:
    return words.interval(Interval(float(row[estimate]), float(row[low]), float(row[high])))
