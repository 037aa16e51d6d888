"""Summaries over examples: medians, lower bounds, shares, and what they leave out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from landscape.slices import summaries
from landscape.slices.findings import Summaries, distance_in_words, slice_findings

N = 40
ATTACK = "pgd(norm=linf, eps=0.2)"


def table_with(random: np.ndarray, gradient: np.ndarray, reach: float = 8.0) -> pd.DataFrame:
    """A table of genuine images and of what an attack made of them, twice as near."""

    def rows(group: str, scale: float) -> pd.DataFrame:
        columns: dict[str, object] = {
            "id": [str(i) for i in range(N)], "group": group, "pool": False, "label": 0,
            "prediction": 0, "loss": 0.1, "status": "success", "clean_correct": True,
            "way": 2.0, "from_genuine_change": 1.5, "gradient_captured": 0.25,
        }  # fmt: skip
        for kind, values in (("random", random), ("gradient", gradient), ("twin", gradient)):
            distance = np.minimum(values * scale, reach)
            columns |= {
                f"{kind}_change": distance, f"{kind}_changed": distance < reach,
                f"{kind}_change_inside": distance < 1, f"{kind}_tangent_reach": 0.1,
                f"{kind}_parabola_reach": 0.2, f"{kind}_loss@0": 1.0, f"{kind}_loss@1": values,
                f"{kind}_margin@0": 1.0, f"{kind}_margin@1": -values, f"{kind}_kept@0": 1.0,
                f"{kind}_kept@1": distance > 1, f"{kind}_inside@0": 1.0, f"{kind}_inside@1": 0.0,
            }  # fmt: skip
        return pd.DataFrame(columns)

    return pd.concat([rows("genuine", 1.0), rows(ATTACK, 0.5)], ignore_index=True)


@pytest.fixture
def spread() -> pd.DataFrame:
    gradient = np.linspace(0.1, 1.9, N)
    return table_with(10 * gradient, gradient)


def test_medians_count_what_never_changed_as_the_reach(spread):
    found = summaries.distances(spread, ["random", "gradient"], ["genuine", ATTACK])
    rows = found.set_index(["kind", "group"])
    assert rows.loc[("gradient", "genuine"), "median"] == pytest.approx(1.0)
    assert rows.loc[("gradient", ATTACK), "median"] == pytest.approx(0.5)
    assert rows.loc[("gradient", "genuine"), "changed"] == 1
    assert rows.loc[("random", "genuine"), "median"] == 8.0
    changed = np.mean(10 * np.linspace(0.1, 1.9, N) < 8)
    assert rows.loc[("random", "genuine"), "changed"] == pytest.approx(changed)
    near = 10 * np.linspace(0.1, 1.9, N)
    inside = np.mean(near[near < 8] < 1)
    assert rows.loc[("random", "genuine"), "inside"] == pytest.approx(inside)


def test_a_median_at_the_reach_is_said_to_be_beyond_it(spread):
    rows = summaries.distances(spread, ["random", "gradient"], ["genuine"])
    assert distance_in_words(rows.iloc[0], 8.0) == "more than 8"
    assert distance_in_words(rows.iloc[1], 8.0).startswith("1.0")


def test_the_share_that_lasts_falls_at_every_change_and_never_by_what_did_not_change():
    values = np.array([1.0, 2.0, 2.0, 4.0])
    changed = np.array([True, True, True, False])
    at = np.array([0.5, 1.0, 2.0, 4.0])
    found = summaries.lasting(values, changed, at)
    np.testing.assert_allclose(found.estimate, [1, 0.75, 0.25, 0.25])
    assert (found.low <= found.estimate).all()
    assert (found.high >= found.estimate).all()


def test_times_as_far_is_a_geometric_mean_and_says_when_it_is_a_lower_bound(spread):
    found = summaries.times_as_far(spread, "random", "gradient")
    assert found is not None
    ratio, count, never = found
    gradient = np.linspace(0.1, 1.9, N)
    expected = np.exp(np.mean(np.log(np.minimum(10 * gradient, 8) / gradient)))
    assert ratio.estimate == pytest.approx(expected)
    assert ratio.low < expected < ratio.high
    assert count == N
    assert never == int((10 * gradient >= 8).sum())


def test_nothing_is_said_of_few_examples(spread):
    few = spread[spread["id"].isin([str(i) for i in range(10)])]
    assert summaries.times_as_far(few, "random", "gradient") is None


def test_the_way_is_given_in_shares_of_itself(spread):
    found = summaries.ways(spread, [ATTACK]).iloc[0]
    assert found["n"] == N
    assert found["forth"] == pytest.approx(0.75)
    assert found["back"] == pytest.approx(0.5 * 1.0 / 2.0)
    assert found["deeper"] == 0
    assert found["p"] < 1e-6
    empty = summaries.ways(spread[spread["group"] == "genuine"], [ATTACK])
    assert empty["n"].tolist() == [0]
    assert empty["forth"].isna().all()


def test_profiles_are_medians_means_and_shares(spread):
    found = summaries.profiles(spread, ["gradient"], ["genuine"])
    far = found[found["distance"] == 1].iloc[0]
    gradient = np.linspace(0.1, 1.9, N)
    assert far["loss"] == pytest.approx(np.median(gradient))
    assert far["margin"] == pytest.approx(-gradient.mean())
    assert far["kept"] == pytest.approx(np.mean(gradient > 1))
    assert far["inside"] == 0
    assert far["n"] == N


def test_the_findings_name_their_numbers(spread):
    told = Summaries(
        summaries.distances(spread, ["random", "gradient", "twin"], ["genuine", ATTACK]),
        pd.DataFrame(),
        summaries.ways(spread, [ATTACK]),
        summaries.local_pictures(spread, ["gradient"], ["genuine"]),
        summaries.captured(spread, ["gradient"]),
    )
    found = slice_findings(
        spread, told, ["random", "gradient", "twin"], {ATTACK: "PGD"}, ATTACK, 8.0, 64
    )
    first, way, local, shown = (f.text for f in found)
    assert "more than 8 along a random direction" in first
    assert "at least" in first
    assert found[0].significant
    assert "75% [75%, 75%] of the way" in way
    assert "0.2" in local
    assert "5 times as far" in local
    assert "25" in shown
    assert "3.12%" in shown


def test_too_few_genuine_images_are_said_to_be_too_few(spread):
    few = spread[spread["id"].isin(["0", "1", "2"])]
    told = Summaries(
        summaries.distances(few, ["gradient"], ["genuine"]), pd.DataFrame(), pd.DataFrame(),
        summaries.local_pictures(few, ["gradient"], ["genuine"]), pd.DataFrame(),
    )  # fmt: skip
    found = slice_findings(few, told, ["gradient"], {}, None, 8.0, 64)
    assert len(found) == 1
    assert "too few for a claim" in found[0].text
