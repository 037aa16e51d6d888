"""What a connectivity study found, in words with their numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.report import Finding, words
from core.statistics import Interval, wilson
from landscape.comparison import Comparison
from landscape.connectivity.distance import DISTANCE
from landscape.connectivity.kinds import ADVERSARIAL, GENUINE, MIXED
from landscape.connectivity.ways import STRAIGHT

LEAD = "straight_barrier"
"""The measure that the findings speak of."""
_ASKED = (GENUINE, MIXED, ADVERSARIAL)


def of_paths(pairs: pd.DataFrame, threshold: float, points: int) -> list[Finding]:
    """Say how many pairs each way connects, and at what cost, over the three kinds asked about."""
    rows = pairs[pairs["kind"].isin(_ASKED)]
    straight = rows[rows["path"] == STRAIGHT]
    if not len(straight):
        return [Finding("No two images of one class were found, so no pair was joined.", None)]
    found = []
    for way in rows["path"].drop_duplicates():
        own = rows[rows["path"] == way]
        if way != STRAIGHT:
            found.append(Finding(_searched(own, straight, way, threshold, points), None))
    if not found:
        found.append(
            Finding(
                f"The straight line connects {_share(straight, threshold)} of {len(straight)} "
                f"pairs (barrier below {threshold:g} nats, on {points:,} points).",
                None,
            )
        )
    return found


def _searched(
    own: pd.DataFrame, straight: pd.DataFrame, way: str, threshold: float, points: int
) -> str:
    bent = own[own["gradients"] > 0]
    outside = float(own["outside"].max())
    text = (
        f"Of {len(own)} pairs (genuine-genuine, genuine-adversarial, adversarial-adversarial), the "
        f"straight line connects {_share(straight, threshold)}, and {way.replace('_', ' ')} "
        f"{_share(own, threshold)}: barrier below {threshold:g} nats on {points:,} points of each "
        f"path. It takes {words.number(float(own['gradients'].mean()), 2)} gradients on average "
        f"and {int(own['gradients'].max())} at most, "
    )
    if len(bent):
        text += (
            f"and strays by {words.number(float(bent['deviation'].median()), 2)} of the chord's "
            f"length (median of the {len(bent)} pairs that need it). "
        )
    else:
        text += "none of the pairs needs another path. "
    return text + (
        "No point leaves the box."
        if outside == 0
        else f"Up to {words.percent(outside)} of a path's points leave the box."
    )


def of_kinds(pairs: pd.DataFrame, threshold: float) -> list[Finding]:
    """Say which share of each kind of pair the straight line connects, over all attacks."""
    straight = pairs[pairs["path"] == STRAIGHT]
    said = []
    for kind, rows in straight.groupby("kind", sort=False):
        shares = (rows["barrier"] < threshold).groupby(rows["group"]).mean()
        low, high = (words.percent(share, 2) for share in (shares.min(), shares.max()))
        said.append(f"{kind} {low if low == high else f'{low} to {high}'}")
    attacks = straight["group"].nunique() - (straight["group"] == "").any()
    if not said or not attacks:
        return []
    over = f" (the range over {attacks} attacks)" if attacks > 1 else ""
    return [Finding(f"The straight line connects, by kind of pair{over}: {words.several(said)}.")]


def of_distance(
    comparison: Comparison, far: pd.DataFrame, labels: Mapping[str, str]
) -> list[Finding]:
    """Say whether the barrier tells more than the distance to the images joined to."""
    rows = comparison.discrimination
    left: list[str] = []
    gone: list[str] = []
    said: list[str] = []
    for group, label in labels.items():
        own = far[(far["group"] == group) & (far["measure"] == LEAD)]
        if not len(own) or not np.isfinite(own["auc"].iloc[0]):
            continue
        line = own.iloc[0]
        of_group = rows[rows["group"] == group]
        barrier = of_group[of_group["measure"] == LEAD].iloc[0]
        distance = of_group[of_group["measure"] == DISTANCE].iloc[0]
        if barrier["beyond"] != 1:
            continue
        stays = line["low"] > 0.5 or line["high"] < 0.5
        (left if stays else gone).append(label)
        said.append(
            f"{label} {_area(barrier, 'control_auc', 'control_low', 'control_high')} for the "
            f"barrier, {_area(distance, 'control_auc', 'control_low', 'control_high')} for the "
            f"distance, {_area(line, 'auc', 'low', 'high')} for the barrier at equal distance "
            f"({int(line['n'])} pairs)"
        )
    if not said:
        return []
    opening = (
        "The barrier tells no more than the distance does: once the controls are as far from "
        "their partners, nothing significant is left of it"
        if not left
        else "At equal distance to their partners, too, the barrier differs around "
        f"{words.several(left)} examples"
        + (f", but not around {words.several(gone)} examples" if gone else "")
    )
    text = f"{opening}. AUC against the same-class control: {'; '.join(said)}."
    return [Finding(text, bool(left), "" if left else "distance explains it")]


def _share(rows: pd.DataFrame, threshold: float) -> str:
    below = int((rows["barrier"] < threshold).sum())
    return words.interval(wilson(below, len(rows)), scale=100, unit="%")


def _area(row: pd.Series, *columns: str) -> str:
    return words.interval(Interval(*(float(row[column]) for column in columns)))
