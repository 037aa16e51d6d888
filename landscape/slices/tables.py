"""The tables of the report of a study of slices: numbers as a reader wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.report import words
from core.report.tables import intervals
from core.report.versions import GENUINE
from landscape.slices.findings import distance_in_words
from landscape.slices.kinds import ALONG


def distance_table(
    distances: pd.DataFrame, labels: Mapping[str, str], reach: float
) -> pd.DataFrame:
    """Return one row per group and kind: how far the label lasts."""
    names = {GENUINE: GENUINE, **labels}
    return pd.DataFrame(
        {
            "along": distances["kind"].map(ALONG),
            "group": distances["group"].map(names),
            "n": distances["n"],
            "median distance": [distance_in_words(row, reach) for _, row in distances.iterrows()],
            "quartiles": [
                f"{words.number(a)} to {words.number(b)}"
                for a, b in zip(distances["q25"], distances["q75"], strict=True)
            ],
            "changed": intervals(
                distances, ("changed", "changed_low", "changed_high"), scale=100, unit="%"
            ),
            "in the box": distances["inside"].map(words.percent),
        }
    )


def way_table(ways: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per attack: where on the way between twins the labels change."""

    def shown(name: str, **options: Any) -> list[str]:
        return intervals(ways, (name, f"{name}_low", f"{name}_high"), **options)

    return pd.DataFrame(
        {
            "group": ways["group"].map(labels),
            "n": ways["n"],
            "length of the way": shown("way"),
            "genuine label lasts": shown("forth", scale=100, unit="%"),
            "twin's label lasts": shown("back", scale=100, unit="%"),
            "twin deeper": [
                words.count(int(k), int(n)) if np.isfinite(k) else "n/a"
                for k, n in zip(ways["deeper"], ways["n"], strict=True)
            ],
            "p (Holm)": ways["p_holm"].map(words.p_value),
        }
    )


def local_table(local: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per group and kind: how far slope, and slope and curvature, hold."""
    names = {GENUINE: GENUINE, **labels}

    def shown(name: str) -> list[str]:
        return intervals(local, (name, f"{name}_low", f"{name}_high"))

    return pd.DataFrame(
        {
            "along": local["kind"].map(ALONG),
            "group": local["group"].map(names),
            "n": local["n"],
            "slope holds to": shown("tangent_reach"),
            "slope and curvature hold to": shown("parabola_reach"),
            "label lasts to": shown("change"),
        }
    )
