"""What lines through many examples say together: one row per group and kind of direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.report.versions import GENUINE
from core.statistics import Interval, bootstrap, geometric_mean_ratio, holm, paired_test, wilson
from landscape.columns import curves
from landscape.comparison import LEAST_PAIRS
from landscape.figures.groups import counted
from landscape.slices.kinds import EIGENVECTOR, GRADIENT, RANDOM

_WAY = [f"{name}{end}" for name in ("way", "forth", "back") for end in ("", "_low", "_high")]
_WAY += ["p", "deeper"]


def distances(
    table: pd.DataFrame, kinds: Sequence[str], groups: Sequence[str], *, seed: int = 0
) -> pd.DataFrame:
    """Return how far the label lasts in each direction, around the examples of each group.

    Columns: group, kind, n, changed (share, with `changed_low` and `changed_high`), median with
    `low` and `high` (95 % bootstrap), q25, q75, inside (the share of the changes that happen inside
    the box). Distances of examples whose label never changed count as the reach: a median or
    quartile that equals it is a lower bound.
    """
    found = []
    for kind in kinds:
        for group in groups:
            rows = counted(table, group)
            rows = rows[rows[f"{kind}_change"].notna()]
            found.append({"group": group, "kind": kind, **_distances(rows, kind, seed)})
    return pd.DataFrame(found)


def _distances(rows: pd.DataFrame, kind: str, seed: int) -> dict[str, Any]:
    values = rows[f"{kind}_change"].to_numpy(float)
    changed = rows[f"{kind}_changed"].to_numpy(float) > 0.5
    row: dict[str, Any] = {"n": len(values)}
    names = (
        "changed",
        "changed_low",
        "changed_high",
        "median",
        "low",
        "high",
        "q25",
        "q75",
        "inside",
    )
    row |= dict.fromkeys(names, np.nan)
    if not len(values):
        return row
    share = wilson(int(changed.sum()), len(changed))
    quartiles = np.quantile(values, [0.25, 0.5, 0.75])
    row |= {
        "changed": share.estimate, "changed_low": share.low, "changed_high": share.high,
        "median": quartiles[1], "q25": quartiles[0], "q75": quartiles[2],
        "inside": float(rows[f"{kind}_change_inside"].to_numpy(float)[changed].mean())
        if changed.any() else np.nan,
    }  # fmt: skip
    if len(values) >= 2:
        band = median(values, seed=seed)
        row |= {"low": band.low, "high": band.high}
    return row


def median(values: np.ndarray, *, seed: int = 0) -> Interval:
    """Return the median over the examples with its 95 % bootstrap interval.

    >>> median(np.array([1.0, 2.0, 4.0])).estimate
    2.0
    """
    return bootstrap(values, np.median, seed=seed, method="percentile", resamples=1000)


def lasting(values: np.ndarray, changed: np.ndarray, at: np.ndarray) -> Interval:
    """Return the share of labels that have lasted up to each distance, with Wilson's band.

    Args:
        values: `(n,)` distances of the first change; the reach where there was none.
        changed: `(n,)` whether there was one.
        at: `(p,)`, not beyond the reach.

    >>> lasting(np.array([1.0, 3.0, 9.0]), np.array([1, 1, 0]) > 0, np.array([2.0, 5.0])).estimate
    array([0.66666667, 0.33333333])
    """
    lost = ((values[:, None] <= at) & changed[:, None]).sum(0)
    return wilson(len(values) - lost, np.full(len(at), len(values)))


def profiles(
    table: pd.DataFrame, kinds: Sequence[str], groups: Sequence[str], *, seed: int = 0
) -> pd.DataFrame:
    """Return the average landscape along each kind of line, around the examples of each group.

    Columns: group, kind, distance (signed), n; loss (median), margin (mean), kept and inside
    (shares), each with `_low` and `_high`, 95 %: bootstrap, and Wilson's for shares. Loss also has
    its mean, `loss_mean`.
    """
    found = []
    for kind in kinds:
        for group in groups:
            rows = counted(table, group)
            rows = rows[rows[f"{kind}_change"].notna()]
            if len(rows) < 2:
                continue
            at, losses = curves(rows, f"{kind}_loss")
            margins, kept, inside = (
                curves(rows, f"{kind}_{name}")[1] for name in ("margin", "kept", "inside")
            )
            columns: dict[str, Any] = {"group": group, "kind": kind, "distance": at, "n": len(rows)}
            for name, band in {
                "loss": median(losses, seed=seed),
                "margin": bootstrap(margins, seed=seed, method="percentile", resamples=1000),
                "kept": wilson(kept.sum(0), np.full(len(at), len(rows))),
                "inside": wilson(inside.sum(0), np.full(len(at), len(rows))),
            }.items():
                columns |= {
                    name: band.estimate, f"{name}_low": band.low, f"{name}_high": band.high
                }  # fmt: skip
            found.append(pd.DataFrame(columns | {"loss_mean": losses.mean(0)}))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def ways(table: pd.DataFrame, groups: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Return where on the way between the twins of each group the label changes.

    Columns: group, n; way (median l2 length of the way), forth (median distance from the genuine
    image to its first change of label, as a share of the way), back (from the other image), each
    with `_low` and `_high`; p of the paired test that the image lies as deep in its region as its
    genuine twin in its own (`p_holm`: over the groups), and `deeper`, how many lie deeper.
    """
    found = []
    for group in groups:
        rows = counted(table, group)
        rows = rows[rows["twin_change"].notna() & rows["from_genuine_change"].notna()]
        row: dict[str, Any] = {"group": group, "n": len(rows), **dict.fromkeys(_WAY, np.nan)}
        if len(rows) >= 2:
            way = rows["way"].to_numpy(float)
            forth = rows["from_genuine_change"].to_numpy(float)
            back = rows["twin_change"].to_numpy(float)
            for name, values in (("way", way), ("forth", forth / way), ("back", back / way)):
                band = median(values, seed=seed)
                row |= {name: band.estimate, f"{name}_low": band.low, f"{name}_high": band.high}
            test = paired_test(back, forth)
            row |= {"p": test.p, "deeper": test.n_positive}
        found.append(row)
    rows = pd.DataFrame(found)
    return rows.assign(p_holm=holm(rows["p"])) if len(rows) else rows


def local_pictures(
    table: pd.DataFrame, kinds: Sequence[str], groups: Sequence[str], *, seed: int = 0
) -> pd.DataFrame:
    """Return how far tangent and parabola tell the change of the loss, and how far the label lasts.

    Columns: group, kind, n, and for tangent, parabola and change (of the label) the median with
    `_low` and `_high`.
    """
    found = []
    for kind in kinds:
        for group in groups:
            rows = counted(table, group)
            rows = rows[rows[f"{kind}_change"].notna()]
            row: dict[str, Any] = {"group": group, "kind": kind, "n": len(rows)}
            if len(rows) >= 2:
                for name in ("tangent_reach", "parabola_reach", "change"):
                    band = median(rows[f"{kind}_{name}"].to_numpy(float), seed=seed)
                    row |= {name: band.estimate, f"{name}_low": band.low, f"{name}_high": band.high}
            found.append(row)
    return pd.DataFrame(found)


def captured(table: pd.DataFrame, kinds: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Return how much of the squared way to the twin lies in a plane of each kind.

    Of the genuine images that have a twin: kind, n, mean with `low` and `high`.
    """
    rows = counted(table, GENUINE)
    found = []
    for kind in (RANDOM, GRADIENT, EIGENVECTOR):
        if kind not in kinds or f"{kind}_captured" not in rows:
            continue
        values = rows[f"{kind}_captured"].dropna().to_numpy(float)
        row: dict[str, Any] = {"kind": kind, "n": len(values)}
        if len(values) >= 2:
            band = bootstrap(values, seed=seed, resamples=1000)
            row |= {"mean": band.estimate, "low": band.low, "high": band.high}
        found.append(row)
    return pd.DataFrame(found)


def times_as_far(
    table: pd.DataFrame, kind: str, other: str, *, seed: int = 0
) -> tuple[Interval, int, int] | None:
    """Return how many times as far the label of genuine images lasts in one direction as another.

    The geometric mean of the ratios with its interval, the examples, and how many of them never
    lost their label in the first direction: where there are any, it is a lower bound. None where
    there are too few examples, or a distance is 0.
    """
    rows = counted(table, GENUINE)
    if not {f"{kind}_change", f"{other}_change"} <= set(rows):
        return None
    rows = rows[rows[f"{kind}_change"].notna() & rows[f"{other}_change"].notna()]
    far, near = (rows[f"{k}_change"].to_numpy(float) for k in (kind, other))
    if len(rows) < LEAST_PAIRS or not ((far > 0) & (near > 0)).all():
        return None
    never = int((rows[f"{kind}_changed"].to_numpy(float) < 0.5).sum())
    return geometric_mean_ratio(far, near, seed=seed), len(rows), never
