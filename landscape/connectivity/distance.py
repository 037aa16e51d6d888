"""Does a barrier tell more than the distance? Ends compared with controls that are as far away.

An adversarial image that is taken for a class still looks like its own, and so lies farther from
genuine images of that class than another of them does: no path is needed to see it. Longer lines
have more room for a barrier. So the ends are compared a last time with same-class controls (equal
in loss and class) that have the same distance, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from core.report.versions import GENUINE
from core.statistics import match, matched_auc, matching_balance
from landscape.comparison import LEAST_PAIRS, SUCCESS, twins
from landscape.connectivity.second_ends import MEASURES
from landscape.groups.same_class import control_of, is_same_class
from landscape.measures import LOSS

DISTANCE = "distance"


def at_equal_distance(table: pd.DataFrame) -> pd.DataFrame:
    """Compare every measure of each group with same-class controls at equal distance.

    Args:
        table: one row per group and second end, as for `landscape.compare`.

    Returns:
        One row per group and measure (and for the loss, which should show no difference): `n`
        pairs, `auc` of "the group's value is larger" with `low` and `high`, NaN where fewer than 20
        controls are as far away.
    """
    rows = []
    for group in table["group"].drop_duplicates():
        control = table[(table["group"] == control_of(group)) & (table["status"] == SUCCESS)]
        control = control[control[DISTANCE].notna()]
        if group == GENUINE or is_same_class(group) or not len(control):
            continue
        ours = twins(table, group)[0]
        ours = ours[ours[DISTANCE].notna()]
        rows += [{"group": group, **row} for row in _compared(ours, control)]
    columns = ["group", "measure", "n", "auc", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _compared(ours: pd.DataFrame, control: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one row per measure of two groups that are matched on the distance."""
    nobody = {"n": 0, "auc": np.nan, "low": np.nan, "high": np.nan}
    names = [LOSS, *MEASURES]
    if min(len(ours), len(control)) < LEAST_PAIRS:
        return [{"measure": name, **nobody} for name in names]
    left, right = np.log(ours[DISTANCE].to_numpy()), np.log(control[DISTANCE].to_numpy())
    pairs = match(left, right)
    if not matching_balance(left, right, *pairs, minimum=LEAST_PAIRS).enough:
        return [{"measure": name, **nobody, "n": len(pairs[0])} for name in names]
    found = []
    for name in names:
        area = matched_auc(ours[name].to_numpy(float), control[name].to_numpy(float), *pairs)
        found.append(
            {"measure": name, "n": len(pairs[0]), "auc": area.estimate, "low": area.low,
             "high": area.high}
        )  # fmt: skip
    return found
