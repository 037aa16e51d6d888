"""From the examples of a study to one row of numbers per group, and paired comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from autoencoders.manifold import groups
from autoencoders.manifold.making import fooled
from core.report.versions import GENUINE
from core.statistics import (
    Interval,
    bootstrap,
    clopper_pearson,
    geometric_mean_ratio,
    holm,
    paired_test,
)

TYPICAL = 2.0
"""A z-score up to which an image is as well reconstructed as genuine ones are."""
LEAST_PAIRS = 5
MEDIANS = ("z", "residual")


def looked_at(table: pd.DataFrame, group: str, number: int) -> pd.DataFrame:
    """Return the examples of a group that are spoken of: those that fool.

    Of a control there is one for each that the search fooled; of genuine images and their
    reconstructions, all.
    """
    rows = table[(table["group"] == group) & (table["number"] == number)]
    if group in (GENUINE, groups.RECONSTRUCTION):
        return rows
    if group == groups.CONTROL:
        return rows[rows["id"].isin(looked_at(table, groups.SEARCH, number)["id"])]
    return rows[fooled(rows)]


def outcomes(table: pd.DataFrame, names: Sequence[str], numbers: Sequence[int]) -> pd.DataFrame:
    """Return one row per autoencoder and group, in the order of the names.

    Columns: number, group, n (looked at); right, fooled, success with its Clopper-Pearson interval
    success_low, success_high (of attacks, of the correctly classified); lost (of searches: right,
    but reconstructed as another class); eps, reached (of PGD at equal success); medians with
    percentile bootstrap intervals z, z_low, z_high, residual, residual_low, residual_high; typical,
    the share with a z of at most 2; medians own_z, latent_l2, l2, linf.
    """
    rows = []
    for number in numbers:
        wrong = _reconstructed_wrongly(table, number)
        for group in names:
            own = looked_at(table, group, number)
            row: dict[str, object] = {"number": number, "group": group, "n": len(own)}
            if group not in groups.UNATTACKED:
                row |= _success(table, group, number)
            if group in (groups.SEARCH, groups.NOISY_SEARCH):
                row["lost"] = wrong
            if "eps" in own and own["eps"].notna().any():
                row |= {"eps": float(own["eps"].iloc[0]), "reached": bool(own["reached"].iloc[0])}
            for name in MEDIANS:
                band = median(own[name].to_numpy(float))
                row |= {name: band.estimate, f"{name}_low": band.low, f"{name}_high": band.high}
            row["typical"] = float((own["z"] <= TYPICAL).mean()) if len(own) else np.nan
            for name in ("own_z", "latent_l2", "l2", "linf"):
                row[name] = float(own[name].median()) if name in own and len(own) else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def comparisons(table: pd.DataFrame, names: Sequence[str], numbers: Sequence[int]) -> pd.DataFrame:
    """Compare the search with every other group, paired by example, where both are looked at.

    Columns: number, group, n, the mean difference of z (z, z_low, z_high, z_p, z_holm) and the
    geometric mean ratio of the residuals (residual, ..., residual_holm), search against group;
    Holm's correction is over all groups and autoencoders of a measure.
    """
    rows = []
    for number in numbers:
        ours = looked_at(table, groups.SEARCH, number).set_index("id")
        for group in names:
            if group == groups.SEARCH:
                continue
            theirs = looked_at(table, group, number).set_index("id")
            both = [i for i in ours.index if i in theirs.index]
            row: dict[str, object] = {"number": number, "group": group, "n": len(both)}
            if len(both) >= LEAST_PAIRS:
                for name in MEDIANS:
                    a, b = (t.loc[both, name].to_numpy(float) for t in (ours, theirs))
                    band = bootstrap(a - b) if name == "z" else geometric_mean_ratio(a, b)
                    row |= {
                        name: band.estimate, f"{name}_low": band.low, f"{name}_high": band.high,
                        f"{name}_p": paired_test(a, b).p,
                    }  # fmt: skip
            rows.append(row)
    found = pd.DataFrame(rows)
    for name in MEDIANS:
        if f"{name}_p" in found:
            found[f"{name}_holm"] = holm(found[f"{name}_p"].to_numpy(float))
    return found


def median(values: np.ndarray) -> Interval:
    """Return the median with its interval; NaN without a value, no width with one alone."""
    if len(values) < 2:
        found = float(values[0]) if len(values) else np.nan
        return Interval(found, found, found)
    return bootstrap(values, np.median, method="percentile")


def _success(table: pd.DataFrame, group: str, number: int) -> dict[str, object]:
    rows = table[(table["group"] == group) & (table["number"] == number)]
    right, won = int(rows["clean_correct"].astype(bool).sum()), int(fooled(rows).sum())
    found: dict[str, object] = {"right": right, "fooled": won}
    if right:
        share = clopper_pearson(won, right)
        found |= {"success": share.estimate, "success_low": share.low, "success_high": share.high}
    return found


def _reconstructed_wrongly(table: pd.DataFrame, number: int) -> int:
    rows = table[(table["group"] == groups.RECONSTRUCTION) & (table["number"] == number)]
    return int(fooled(rows).sum())
