"""What a flatness study found, in words with their numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from attacks.recipe_lists import is_control
from core.report import Finding, words
from core.statistics import Interval
from landscape.flatness.comparison import LEAST_PAIRS, Comparison
from landscape.flatness.measures import MEASURES

LEAD = "gaussian_rise"
"""The measure that the first sentence of each group speaks of."""

_BADGES = {
    "survives": "stays at equal loss",
    "reverses": "turns round at equal loss",
    "appears": "appears at equal loss",
    "not significant": "not significant at equal loss",
    "no difference": "no difference",
    "no overlap": "no partners of equal loss",
}

CLAIMS = {"survives", "reverses", "appears"}


def findings(comparison: Comparison, labels: Mapping[str, str]) -> list[Finding]:
    """Return the findings, the answer first: which differences are more than confidence."""
    found = [_answer(comparison, labels)]
    for group in labels:
        found += _of_group(comparison, group, labels[group])
    return found


def _answer(comparison: Comparison, labels: Mapping[str, str]) -> Finding:
    """Say which differences survive matching on the loss, over all groups."""
    rows = comparison.discrimination
    rows = rows[(rows["measure"] != "loss") & ~rows["group"].map(is_control)]
    raw = rows[(rows["auc_low"] > 0.5) | (rows["auc_high"] < 0.5)]
    testable = raw[raw["matched_auc"].notna()]
    kept = testable[testable["verdict"].isin(CLAIMS)]
    if not len(rows):
        return Finding("No attack was studied, so there is nothing to compare.", None)
    if not len(testable):
        return Finding(
            f"{len(raw)} of {len(rows)} raw differences between adversarial and genuine examples "
            "are significant, but none can be told from confidence: no attack's examples share "
            "their loss with enough genuine images to be matched.",
            None,
        )
    text = (
        f"Of {len(rows)} comparisons (attack x measure), {len(raw)} differ raw. "
        f"{len(testable)} of these could be repeated at equal loss: {len(kept)} stay significant, "
        f"{len(testable) - len(kept)} do not, so that confidence alone may explain them."
    )
    if len(kept):
        parts = []
        for group, of_group in kept.groupby("group", sort=False):
            sharper = [_short(m) for m in of_group[of_group["matched_auc"] > 0.5]["measure"]]
            flatter = [_short(m) for m in of_group[of_group["matched_auc"] < 0.5]["measure"]]
            said = [f"larger {words.several(sharper)}"] if sharper else []
            said += [f"smaller {words.several(flatter)}"] if flatter else []
            parts.append(f"{labels[str(group)]}: {' and '.join(said)}")
        text += " At equal loss, compared with genuine images, " + "; ".join(parts) + "."
    return Finding(text, bool(len(kept)))


def _of_group(comparison: Comparison, group: str, label: str) -> list[Finding]:
    paired = comparison.paired[comparison.paired["group"] == group]
    rows = comparison.discrimination[comparison.discrimination["group"] == group]
    usable = int(comparison.groups.set_index("group")["compared"][group])
    lead = paired[paired["measure"].str.startswith(f"{LEAD}@")].iloc[0]
    if not np.isfinite(lead["p"]):
        return [
            Finding(
                f"{label}: {usable} usable pairs are too few for a claim "
                f"(at least {LEAST_PAIRS} are needed).",
                about=group,
            )
        ]
    row = rows[rows["measure"] == lead["measure"]].iloc[0]
    radius = float(lead["measure"].split("@")[1])
    size = _interval(lead, "estimate", "low", "high")
    ratio = lead["effect"] != "difference"
    compared = f"{size} times as much as" if ratio else f"by {size} nats more than"
    text = (
        f"Around {label} examples the loss rises {compared} around their genuine twins, under "
        f"Gaussian noise of l2 radius {radius:.3g} (more in "
        f"{int(lead['n_larger'])} of {int(lead['n'])} pairs; "
        f"{words.p_value(lead['p_holm'])}, Holm)."
    )
    return [
        Finding(
            f"{text} {_matched(row, ratio)}", _significance(row), _BADGES[row["verdict"]], group
        )
    ]


def _matched(row: pd.Series, ratio: bool) -> str:
    if row["verdict"] == "no overlap":
        partners = int(row["matched_n"])
        images = "image has" if partners == 1 else "images have"
        return (
            f"Matched on the loss: cannot be said, only {partners} genuine {images} a loss like "
            "theirs."
        )
    times = _interval(row, "matched_estimate", "matched_effect_low", "matched_effect_high")
    times = f"{times}" if ratio else f"{times} nats"
    area = _interval(row, "matched_auc", "matched_low", "matched_high")
    spoken = {
        "survives": f"the difference stays, {times}",
        "reverses": f"the difference turns round, {times}",
        "not significant": f"no significant difference left, {times}",
        "appears": f"a difference appears, {times}",
        "no difference": f"no difference either, {times}",
    }[row["verdict"]]
    return (
        f"Matched on the loss: {spoken} (AUC {area}, {int(row['matched_n'])} pairs, "
        f"{words.p_value(row['matched_p_holm'])}, Holm)."
    )


def _significance(row: pd.Series) -> bool | None:
    if row["verdict"] == "no overlap":
        return None
    return row["verdict"] in CLAIMS


def _short(column: str) -> str:
    return MEASURES[column.split("@")[0]].title


def _interval(row: pd.Series, estimate: str, low: str, high: str) -> str:
    return words.interval(Interval(float(row[estimate]), float(row[low]), float(row[high])))
