"""Which class lies across the nearest boundary, and how the boundary bends by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.report import words
from core.report.versions import GENUINE
from core.statistics import Interval, bootstrap
from landscape.columns import column
from landscape.figures.groups import counted


def across(table: pd.DataFrame, groups: list[str], radius: float, seed: int = 0) -> pd.DataFrame:
    """Return one row per group: how often the true class is across, and the boundary's curvature.

    Args:
        table: of the study.
        groups: `genuine` and all others that are shown.
        radius: the scale of the curvature.
        seed: of the bootstrap.

    Returns:
        Columns group, n, true (how many have their true class across), and the median mean
        curvature with its 95 % interval where the true class is across (`true_median`, `true_low`,
        `true_high`) and where another one is (`other_...`); NaN for fewer than two.
    """
    rows = []
    for group in groups:
        found = counted(table, group)
        found = found[found["boundary_distance"].notna()]
        back = found["boundary_class"].to_numpy(float) == found["label"].to_numpy(float)
        bends = found[column("boundary_bend", radius)].to_numpy(float)
        row: dict[str, Any] = {"group": group, "n": len(found), "true": int(back.sum())}
        for name, values in (("true", bends[back]), ("other", bends[~back])):
            middle = Interval(np.nan, np.nan, np.nan)
            if len(values) > 1:
                middle = bootstrap(
                    values, np.median, seed=seed, method="percentile", resamples=1000
                )
            row |= {
                f"{name}_median": middle.estimate,
                f"{name}_low": middle.low,
                f"{name}_high": middle.high,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def across_table(rows: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of `across` as the report shows them."""

    def spoken(row: pd.Series, name: str) -> str:
        ends = [float(row[f"{name}_{end}"]) for end in ("median", "low", "high")]
        return words.interval(Interval(*ends)) if np.isfinite(ends[0]) else "n/a"

    return pd.DataFrame(
        {
            "group": [{GENUINE: GENUINE, **labels}[g] for g in rows["group"]],
            "true class across": [
                words.count(int(k), int(n)) for k, n in zip(rows["true"], rows["n"], strict=True)
            ],
            "curvature, true class across": [spoken(row, "true") for _, row in rows.iterrows()],
            "curvature, another across": [spoken(row, "other") for _, row in rows.iterrows()],
        }
    )
