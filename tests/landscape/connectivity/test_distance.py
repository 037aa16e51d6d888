from __future__ import annotations

import numpy as np
import pandas as pd

from landscape.connectivity.distance import at_equal_distance
from landscape.connectivity.second_ends import MEASURES
from landscape.groups.same_class import control_of

ATTACK = "pgd(eps=0.1)"


def table(planted: float, n: int = 200) -> pd.DataFrame:
    """Adversarial images are farther away, and barriers grow with the distance; and `planted`."""
    generator = np.random.default_rng(0)
    parts = []
    for group, shift, extra in (
        ("genuine", 0.0, 0.0), (ATTACK, 0.5, planted), (control_of(ATTACK), 0.0, 0.0),
    ):  # fmt: skip
        distance = np.exp(0.4 * generator.normal(size=n) + shift)
        rows = pd.DataFrame({name: generator.normal(size=n) for name in MEASURES})
        parts.append(
            rows.assign(
                id=[f"x{i}" for i in range(n)], group=group, pool=False, loss=1.0,
                distance=distance, status="" if group == "genuine" else "success",
                straight_barrier=distance**2 + extra + 0.3 * generator.normal(size=n),
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_what_the_distance_explains_vanishes_and_what_it_does_not_stays() -> None:
    explained, more = (
        at_equal_distance(table(planted)).set_index("measure") for planted in (0.0, 2.0)
    )
    for found in (explained, more):
        assert found.loc["straight_barrier", "n"] > 60
        assert found.loc["distance", "low"] < 0.5 < found.loc["distance", "high"]
    assert (
        explained.loc["straight_barrier", "low"] < 0.5 < explained.loc["straight_barrier", "high"]
    )
    assert more.loc["straight_barrier", "low"] > 0.6


def test_without_a_control_or_with_too_few_nothing_is_compared() -> None:
    rows = table(0.0)
    assert len(at_equal_distance(rows[rows["group"] != control_of(ATTACK)])) == 0
    few = at_equal_distance(table(0.0, n=10))
    assert set(few["group"]) == {ATTACK}
    assert few["auc"].isna().all()
