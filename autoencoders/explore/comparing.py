"""Every detector of every group in every latent space, beside the classifier's uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from attacks.recipe_lists import is_control
from attacks.recipes import parse
from attacks.verified_rows import SUCCESS
from autoencoders.explore.measuring import BASELINE, DETECTORS
from autoencoders.latents.detection import LEAST, detection
from core.report.versions import GENUINE
from core.statistics import Interval, auc, holm, paired_test, wilson

P_VALUES = ("p", "gain_p", "matched_p", "control_p")


def controls(recipes: Sequence[str]) -> dict[str, str]:
    """Return the noise control of each recipe that has one among them.

    >>> controls(["noise(like=fgsm(eps=0.1))", "fgsm(norm=linf, eps=0.1)"])
    {'fgsm(norm=linf, eps=0.1)': 'noise(like=fgsm(eps=0.1))'}
    """
    found = {}
    for recipe in recipes:
        like = parse(recipe).get("like") if is_control(recipe) else None
        if like is not None and str(like) in recipes:
            found[str(like)] = recipe
    return found


def twins(table: pd.DataFrame, group: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of a group that count in one latent space, and their genuine twins.

    What counts is what verification called a success: a fooled classifier or, for a noise control,
    a step of the asked length, from a genuine image that was classified correctly.
    """
    rows = table[(table["group"] == group) & (table["status"] == SUCCESS)].set_index("id")
    genuine = table[table["group"] == GENUINE].set_index("id")
    return rows, genuine.loc[rows.index]


def compared(table: pd.DataFrame, names: Sequence[str], groups: Sequence[str]) -> pd.DataFrame:
    """Return a row per group, latent space and detector, and one per group for the baseline.

    Columns: `group`, `name` (empty for the baseline), `detector`, `n`, and AUC, gain and AUC at
    equal confidence with intervals and p values; those by Holm's method over all rows of the table
    (`p_holm` and so on), each kind for itself. `control` is the AUC of "larger than for noise of
    equal length", paired by id, of recipes that have such a control among the groups. `claim` is
    whether a detector tells the group from genuine images beyond the confidence: better than the
    baseline in its better direction, and with an AUC above .5 among examples of equal confidence
    where there are enough.

    Args:
        table: of `measured`, with `name`, `group` and `status`.
        names: of the latent spaces, in order.
        groups: recipes to be compared with `genuine`, in order.
    """
    rows: list[dict[str, Any]] = []
    noises = controls(groups)
    for group in groups:
        for number, name in enumerate(names):
            own = table[table["name"] == name]
            ours, genuine = twins(own, group)
            base = ours[BASELINE], genuine[BASELINE]
            if number == 0:
                found = detection(*base, *base)
                rows.append({"group": group, "name": "", "detector": BASELINE, "n": found.n,
                             **_interval("auc", found.auc), "p": found.p})  # fmt: skip
            noise = twins(own, noises[group])[0] if group in noises else ours[:0]
            for detector in DETECTORS:
                found = detection(ours[detector], genuine[detector], *base)
                rows.append(
                    {
                        "group": group,
                        "name": name,
                        "detector": detector,
                        "n": found.n,
                        **_interval("auc", found.auc),
                        "p": found.p,
                        **_interval("gain", found.gain),
                        "gain_p": found.gain_p,
                        "matched_n": found.matched_n,
                        **_interval("matched", found.matched),
                        "matched_p": found.matched_p,
                        **_against(ours[detector], noise[detector]),
                    }
                )
    result = pd.DataFrame(rows)
    for column in P_VALUES:
        result[f"{column}_holm"] = holm(result[column].to_numpy(float))
    better = (result["gain_low"] > 0) & (result["gain_p_holm"] < 0.05)
    equal = (result["matched_low"] > 0.5) & (result["matched_p_holm"] < 0.05)
    result["claim"] = better & (equal | result["matched"].isna())
    return result


def _against(ours: pd.Series, noise: pd.Series) -> dict[str, Any]:
    """Return the AUC of a detector between examples and noise of equal length, paired by id."""
    both = ours.index.intersection(noise.index, sort=False)
    found, p = Interval(np.nan, np.nan, np.nan), np.nan
    if len(both) >= LEAST:
        found = auc(ours.loc[both], noise.loc[both], paired=True)
        p = paired_test(ours.loc[both], noise.loc[both]).p
    return {"control_n": len(both), **_interval("control", found), "control_p": p}


def restored(table: pd.DataFrame, names: Sequence[str], groups: Sequence[str]) -> pd.DataFrame:
    """Return how often the class is right once reconstructions are spliced in, a row per group.

    Of a group the examples that count; of `genuine` those that are classified correctly. Columns:
    `name`, `group`, `n`, `right`, `share` with Wilson's interval.
    """
    rows = []
    for name in names:
        own = table[table["name"] == name]
        for group in (GENUINE, *groups):
            kept = (
                own[(own["group"] == GENUINE) & (own["prediction"] == own["label"])]
                if group == GENUINE
                else twins(own, group)[0]
            )
            right = int(kept["spliced_right"].sum())
            share = wilson(right, len(kept)) if len(kept) else Interval(np.nan, np.nan, np.nan)
            rows.append({"name": name, "group": group, "n": len(kept), "right": right,
                         **_interval("share", share)})  # fmt: skip
    return pd.DataFrame(rows)


def _interval(name: str, found: Interval) -> dict[str, float]:
    return {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
