"""Groups of examples compared with their genuine twins: paired, raw, and at equal loss.

What is measured around an image is, first of all, confidence: where a classifier is sure, the loss,
its gradient and its Hessian all vanish together, whatever the geometry. So every measure is
compared up to three times. *Raw*: an adversarial example with the genuine image it came from.
*Matched*: adversarial examples with genuine images of (nearly) the same loss at the centre, whoever
they come from. *Control*: each adversarial example with a genuine image of the class it is taken
for, pushed to its very loss (`landscape.groups.same_class`), where the study has such a control.
What is left in the second and the third is neither confidence nor class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.report.versions import GENUINE
from core.statistics import (
    Interval,
    auc,
    bootstrap,
    geometric_mean_ratio,
    holm,
    matched_auc,
    matched_ratio,
    paired_test,
    ratio_of_medians,
    unpaired_test,
)
from landscape.groups.same_class import is_same_class
from landscape.measures import LOSS, Measure, Measures, headline_columns
from landscape.sides import LEAST_PAIRS, SUCCESS, Side, covariate, side_of, twins

__all__ = [
    "INVALID", "LEAST_PAIRS", "SUCCESS", "Comparison", "compare", "covariate", "twins", "verdicts",
]  # fmt: skip

INVALID = ("outside box", "outside ball", "not finite", "wrong length")


@dataclass(frozen=True)
class Comparison:
    """All groups against `genuine`.

    Attributes:
        measures: what was compared, by name.
        groups: one row per group: examples, successes, confidence, loss, length of the step.
        paired: one row per group and measure: the twins, in `n` pairs, with effect and p value.
        discrimination: one row per group and measure: AUC of "the group's value is larger", raw,
            matched on the loss, and against the same-class control; the effects in the latter two,
            and the verdicts. `beyond` is 1 or -1 where a difference stays, larger or smaller, in
            all comparisons at equal loss that there are, 0 where it does not, NaN where there is
            none.
        matching: one row per group: how many could be matched, and how alike the losses then are.
    """

    measures: Measures
    groups: pd.DataFrame
    paired: pd.DataFrame
    discrimination: pd.DataFrame
    matching: pd.DataFrame


def compare(
    table: pd.DataFrame, measures: Measures, loss: str = "cross_entropy", *, seed: int = 0
) -> Comparison:
    """Compare every group of a table of measures with its genuine twins.

    Args:
        table: one row per group and example: `id`, `group`, `loss` and a column for each measure,
            `pool` (further genuine images, used as matching partners only) and `status` (of
            `attacks.verify`; anything for genuine rows, where `clean_correct` says whether the
            classifier is right). A group called `same_class(like=G)` is the control of group G.
        measures: what the columns are, by name; a curve is compared at its middle radius.
        loss: the landscape that was measured; decides the covariate of the matching.
        seed: of the bootstrap.
    """
    columns = headline_columns(table.columns, measures)
    partners = table[
        (table["group"] == GENUINE)
        & (table["prediction"] == table["label"])
        & table["loss"].notna()
    ]
    names = [g for g in table["group"].drop_duplicates() if g != GENUINE and not is_same_class(g)]
    sides = {group: side_of(table, group, partners, loss) for group in names}
    kinds = {
        name: effect_kind(measure, [pair for s in sides.values() for pair in s.pairs(name)])
        for name, measure in columns.items()
    }
    paired = pd.DataFrame(
        [
            {"group": group, "measure": name} | _paired(*side.twins(name), kinds[name], seed)
            for group, side in sides.items()
            for name in columns
        ],
        columns=["group", "measure", "n", "effect", *_TWIN_NUMBERS],
    )
    paired["p_holm"] = holm(paired["p"])
    discriminated = [
        {"group": group, "measure": name} | _discriminate(side, name, kinds.get(name), seed)
        for group, side in sides.items()
        for name in [LOSS, *columns]
    ]
    return Comparison(
        measures,
        pd.DataFrame([_describe(table, group, side.ours) for group, side in sides.items()]),
        paired,
        verdicts(pd.DataFrame(discriminated)),
        pd.DataFrame([{"group": group} | side.described() for group, side in sides.items()]),
    )


def _describe(table: pd.DataFrame, group: str, ours: pd.DataFrame) -> dict[str, Any]:
    rows = table[table["group"] == group]
    correct = rows["clean_correct"].astype(bool)
    return {
        "group": group,
        "n": len(rows),
        "clean correct": int(correct.sum()),
        "label changed": int((rows["label_changed"].astype(bool) & correct).sum()),
        "invalid": int(rows["status"].isin(INVALID).sum()),
        "compared": len(ours),
        "median confidence": float(ours["confidence"].median()),
        "median loss": float(ours["loss"].median()),
        "median l2": float(ours["l2"].median()),
        "median linf": float(ours["linf"].median()),
        "forward passes": float(rows["forwards"].mean()) if "forwards" in rows else np.nan,
    }


_TWIN_NUMBERS = (
    "n_larger", "median", "genuine_median", "estimate", "low", "high", "p", "rank_biserial",
    "cohens_d",
)  # fmt: skip
_AREA_NUMBERS = (
    "auc", "auc_low", "auc_high", "matched_auc", "matched_low", "matched_high", "matched_p",
    "matched_estimate", "matched_effect_low", "matched_effect_high",
    "control_auc", "control_low", "control_high", "control_p",
    "control_estimate", "control_effect_low", "control_effect_high",
)  # fmt: skip


def _paired(ours: np.ndarray, genuine: np.ndarray, kind: str, seed: int) -> dict[str, Any]:
    row: dict[str, Any] = {"n": len(ours), "effect": kind}
    row |= dict.fromkeys(_TWIN_NUMBERS, np.nan)
    if len(ours) < LEAST_PAIRS:
        return row
    test = paired_test(ours, genuine)
    interval = EFFECTS[kind](ours, genuine, seed=seed)
    return row | {
        "n_larger": test.n_positive,
        "median": float(np.median(ours)),
        "genuine_median": float(np.median(genuine)),
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "p": test.p,
        "rank_biserial": test.rank_biserial,
        "cohens_d": test.cohens_d,
    }


def effect_kind(measure: Measure, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    """Return in which sense a measure is compared, one for all groups, raw and matched.

    A ratio is what speaks of measures that span orders of magnitude: the geometric mean of the
    ratios where all values are positive, else the ratio of medians. Where some genuine median
    cannot be told from 0 there is no ratio, and the mean difference is given; so it is for shares
    and radii.

    Args:
        measure: what was measured.
        pairs: every pair of samples it is compared on.
    """
    if not measure.logarithmic:
        return "difference"
    if all((a > 0).all() and (b > 0).all() for a, b in pairs):
        return "ratio"
    determined = (ratio_of_medians(a, b, resamples=500) for a, b in pairs)
    if all(r.low > 0 and np.isfinite(r.high) for r in determined):
        return "ratio of medians"
    return "difference"


def mean_difference(
    a: np.ndarray, b: np.ndarray, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Mean of `a - b` over pairs, with its BCa bootstrap interval.

    >>> mean_difference(np.array([2.0, 4.0]), np.array([1.0, 2.0])).estimate
    1.5
    """
    return bootstrap(a - b, level=level, resamples=resamples, seed=seed)


EFFECTS: dict[str, Callable[..., Interval]] = {
    "ratio": geometric_mean_ratio,
    "ratio of medians": ratio_of_medians,
    "difference": mean_difference,
}


def _discriminate(side: Side, name: str, kind: str | None, seed: int) -> dict[str, Any]:
    """Return the AUC of a column in each comparison; the loss itself (no kind) is the baseline."""
    ours, genuine = side.twins(name)
    found = side.partnered(name)
    rows, controls = side.controlled(name)
    row: dict[str, Any] = {
        "n": len(ours),
        "matched_n": len(found.left),
        "control_n": len(controls),
    }
    row |= dict.fromkeys(_AREA_NUMBERS, np.nan)
    if len(ours) < LEAST_PAIRS:
        return row
    raw = auc(ours, genuine, paired=True)
    row |= {"auc": raw.estimate, "auc_low": raw.low, "auc_high": raw.high}
    if found.enough:
        area = matched_auc(found.values, found.others, found.left, found.right, same_examples=True)
        row |= _at_equal_loss("matched", area, *found.pairs(), kind, seed)
    if len(controls) >= LEAST_PAIRS:
        a, b = rows[name].to_numpy(float), controls[name].to_numpy(float)
        area = auc(a, b, clusters=side.origins(controls))
        row |= _at_equal_loss("control", area, a, b, kind, seed)
    return row


def _at_equal_loss(
    which: str, area: Interval, ours: np.ndarray, others: np.ndarray, kind: str | None, seed: int
) -> dict[str, Any]:
    """Return AUC, p and effect of two samples that are alike in their loss."""
    row = {f"{which}_auc": area.estimate, f"{which}_low": area.low, f"{which}_high": area.high}
    if kind is None:
        return row
    one_to_one = np.arange(len(ours))
    interval = matched_ratio(ours, others, one_to_one, one_to_one, ratio=EFFECTS[kind], seed=seed)
    return row | {
        # Partners are alike in their loss, but are no pairs: tested as two groups.
        f"{which}_p": unpaired_test(ours, others).p,
        f"{which}_estimate": interval.estimate,
        f"{which}_effect_low": interval.low,
        f"{which}_effect_high": interval.high,
    }


def verdicts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return comparisons with Holm's p values over all of them, and what survives at equal loss.

    A difference is claimed when its interval excludes .5; at equal loss also only when p stays
    below .05 after Holm's correction over all groups and measures.
    """
    raw = np.sign(rows["auc"] - 0.5).where((rows["auc_low"] > 0.5) | (rows["auc_high"] < 0.5), 0)
    claimed = {}
    rows = rows.copy()
    for which, missing in (("matched", "no overlap"), ("control", "no control")):
        rows[f"{which}_p_holm"] = holm(rows[f"{which}_p"])
        apart = (rows[f"{which}_low"] > 0.5) | (rows[f"{which}_high"] < 0.5)
        certain = apart & (rows[f"{which}_p_holm"] < 0.05)
        sign = np.sign(rows[f"{which}_auc"] - 0.5).where(certain, 0)
        claimed[which] = sign.where(rows[f"{which}_auc"].notna())
        rows["verdict" if which == "matched" else "control_verdict"] = np.select(
            [
                rows["measure"] == LOSS,
                rows["auc"].isna(),
                rows[f"{which}_auc"].isna(),
                (raw != 0) & (raw == sign),
                (raw != 0) & (sign == -raw),
                (raw != 0) & (sign == 0),
                (raw == 0) & (sign != 0),
            ],
            [
                "baseline",
                "too few",
                missing,
                "survives",
                "reverses",
                "not significant",
                "appears",
            ],
            "no difference",
        )
    matched, control = claimed["matched"], claimed["control"]
    agreed = matched.where(matched == control, 0)
    rows["beyond"] = agreed.where(matched.notna() & control.notna(), matched.fillna(control))
    return rows
