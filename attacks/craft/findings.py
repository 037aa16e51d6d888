"""What a crafting study found: one row of numbers per recipe, and the sentences they make."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from attacks.masking import CHECKS
from attacks.recipe_lists import is_control
from attacks.recipes import parse
from core.report import Finding, words
from core.statistics import Interval, clopper_pearson

INVALID = ("not finite", "outside box", "outside ball", "wrong length")
"""Statuses of examples that are not what their recipe promises."""


def fooled(table: pd.DataFrame) -> pd.Series:
    """Say which rows are valid examples that turned a correct prediction into their goal.

    Of noise no change is required for its status; here it counts like any other attempt.
    """
    changed = table["label_changed"].astype(bool)
    if "target_reached" in table:
        reached = table["target_reached"].fillna(True).astype(bool)
        changed &= reached
    valid = ~table["status"].isin(INVALID)
    return (valid & changed & table["clean_correct"].astype(bool)).rename("fooled")


def outcomes(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per recipe, in the order of the labels.

    Columns: recipe, label, control, n, clean_correct, fooled, success (of clean-correct) with its
    95 % Clopper-Pearson interval low, high, robust (accuracy on all n) with robust_low,
    robust_high, median_l2, median_linf (of the fooled; of all clean-correct for noise), forwards,
    backwards (averages over the clean-correct) and invalid.
    """
    rows = []
    for recipe, label in labels.items():
        own = table[table["recipe"] == recipe]
        attacked, won = own[own["clean_correct"].astype(bool)], own[fooled(own)]
        share = _proportion(len(won), len(attacked))
        robust = _proportion(len(attacked) - len(won), len(own))
        moved = attacked if is_control(recipe) else won
        rows.append(
            {
                "recipe": recipe,
                "label": label,
                "control": is_control(recipe),
                "n": len(own),
                "clean_correct": len(attacked),
                "fooled": len(won),
                "success": share.estimate,
                "low": share.low,
                "high": share.high,
                "robust": robust.estimate,
                "robust_low": robust.low,
                "robust_high": robust.high,
                "median_l2": _median(moved["l2"]),
                "median_linf": _median(moved["linf"]),
                "forwards": attacked["forwards"].mean(),
                "backwards": attacked["backwards"].mean(),
                "invalid": int(own["status"].isin(INVALID).sum()),
            }
        )
    return pd.DataFrame(rows)


def findings(rows: pd.DataFrame, checks: pd.DataFrame | None) -> list[Finding]:
    """Return the findings, the answer first: accuracy under attack, then recipe by recipe."""
    found = [_answer(rows)]
    found += [_of_recipe(row) for _, row in rows.iterrows()]
    broken = rows[rows["invalid"] > 0]
    found += [
        Finding(
            f"{row['label']}: {words.count(int(row['invalid']), int(row['n']))} examples are not "
            "what the recipe promises (outside the box or the ball, of another length, or not "
            "finite); they count as not fooled.",
            False,
            "invalid examples",
            str(row["recipe"]),
        )
        for _, row in broken.iterrows()
    ]
    return [*found, *([] if checks is None else [_masking(checks)])]


def _answer(rows: pd.DataFrame) -> Finding:
    n, right = int(rows["n"].iloc[0]), int(rows["clean_correct"].iloc[0])
    text = (
        f"The classifier is right on {words.count(right, n)} genuine images, "
        f"{_spoken(_proportion(right, n))}."
    )
    # Without a ball an attack goes as far as it takes, which says nothing about robustness.
    bounded = rows["recipe"].map(lambda recipe: parse(recipe).get("eps") is not None)
    attacks = rows[~rows["control"] & bounded]
    if not right:
        return Finding(f"{text} There is nothing to attack.")
    if len(attacks):
        strongest = attacks.sort_values("robust", kind="stable").iloc[0]
        left = _interval(strongest, "robust", "robust_low", "robust_high")
        ties = attacks[attacks["robust"] == strongest["robust"]]["label"]
        text += (
            f" Under the strongest attack inside a ball ({words.several(ties)}) it is still right "
            f"on {words.count(right - int(strongest['fooled']), n)}, {_spoken(left)}."
        )
    return Finding(text)


def _of_recipe(row: pd.Series) -> Finding:
    if not row["clean_correct"]:
        return Finding(f"{row['label']}: no image to attack.", about=row["recipe"])
    share = _spoken(_interval(row, "success", "low", "high"))
    name = _opening(row["label"])
    counted = words.count(int(row["fooled"]), int(row["clean_correct"]))
    cost = (
        f"{words.number(row['forwards'])} forward and {words.number(row['backwards'])} backward "
        "passes"
    )
    moved = f"l2 {words.number(row['median_l2'])}, linf {words.number(row['median_linf'])}"
    if row["control"]:
        text = (
            f"{name}, the control, changes {counted} correct predictions, {share}; median "
            f"length {moved}."
        )
        return Finding(text, None, "control", row["recipe"])
    if not row["fooled"]:
        text = f"{name} fools none of {int(row['clean_correct']):,}, {share}, with {cost}."
    else:
        text = (
            f"{name} fools {counted} correctly classified images, {share}; median distance "
            f"of those {moved}; {cost} per image."
        )
    return Finding(text, None, f"{words.percent(row['success'])} fooled", row["recipe"])


def _opening(label: str) -> str:
    """Return a label as a sentence begins; a recipe in full stays as it is written."""
    return label if "(" in label else label[0].upper() + label[1:]


def _masking(checks: pd.DataFrame) -> Finding:
    failed = [CHECKS[c] for c in checks[checks["passed"].eq(False).fillna(False)]["check"]]
    unsaid = int(checks["passed"].isna().sum())
    if failed:
        return Finding(
            "Gradients look masked, so success may be understated. What does not hold: "
            f"{'; '.join(failed)}.",
            False,
            "masked gradients",
        )
    # White box against transfer is said only where another classifier is given.
    if unsaid > int(checks.set_index("check")["passed"].isna()["white box"]):
        return Finding(f"{unsaid} of {len(checks)} checks for masked gradients cannot be said.")
    said = len(checks) - unsaid
    return Finding(f"No sign of masked gradients in {said} checks.", True, "not masked")


def _proportion(part: int, whole: int) -> Interval:
    return clopper_pearson(part, whole) if whole else Interval(np.nan, 0.0, 1.0)


def _interval(row: pd.Series, estimate: str, low: str, high: str) -> Interval:
    return Interval(float(row[estimate]), float(row[low]), float(row[high]))


def _spoken(share: Interval) -> str:
    return words.interval(share, scale=100, unit="%")


def _median(values: pd.Series) -> float:
    return float(values.median()) if len(values) else np.nan
