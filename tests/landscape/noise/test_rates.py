"""Shares of fooled images: who counts, what is planted, what is not."""

from __future__ import annotations

import numpy as np
import pytest

from attacks.transfer.cells import OTHERS
from core.statistics import wilson
from landscape.noise.rates import (
    OWN,
    gains,
    of_victim,
    outcomes,
    rates,
    right_everywhere,
    with_transfer,
)
from tests.landscape.noise.planted import OTHER, REFERENCE, THIRD, planted

ALL = [REFERENCE, OTHER, THIRD]
NOISE = f"noise(like={REFERENCE})"


def test_success_is_over_the_images_that_were_right_with_wilsons_interval():
    table = planted({REFERENCE: {}}, 100, fooled={REFERENCE: 0.7})
    wrong = table["id"].isin(["x000", "x001", "x002"])
    table.loc[wrong, "clean_correct"] = False
    table.loc[wrong & (table["group"] != "genuine"), "status"] = "clean wrong"
    row = of_victim(rates(outcomes(table, [REFERENCE])), OWN).loc[REFERENCE]
    counted = table[(table["group"] == REFERENCE) & table["clean_correct"]]
    hits = int((counted["status"] == "success").sum())
    assert row["n"] == 97
    expected = wilson(hits, 97)
    np.testing.assert_allclose(row[["rate", "low", "high"]].to_numpy(float),
                               [expected.estimate, expected.low, expected.high])  # fmt: skip


def test_an_example_outside_its_ball_fools_nobody():
    table = planted({REFERENCE: {}}, 50, fooled={REFERENCE: 1.0})
    table.loc[(table["group"] == REFERENCE) & (table["id"] < "x010"), "status"] = "outside ball"
    row = of_victim(rates(outcomes(table, [REFERENCE])), OWN).loc[REFERENCE]
    assert row["rate"] == pytest.approx(40 / 50)


def test_transfer_is_of_examples_that_fool_of_images_that_all_get_right():
    table = planted({REFERENCE: {}}, 100, fooled={REFERENCE: 0.8}, transfer={REFERENCE: 0.5})
    genuine = table["group"] == "genuine"
    table.loc[genuine & (table["id"] < "x010"), "says@a"] = 5
    right = right_everywhere(table)
    assert right == {f"x{i:03d}" for i in range(10, 100)}
    ours = table[(table["group"] == REFERENCE) & (table["status"] == "success")]
    ours = ours[ours["id"].isin(right)]
    told = rates(outcomes(table, [REFERENCE]))
    for name in ("a", "b"):
        row = of_victim(told, name).loc[REFERENCE]
        assert row["n"] == len(ours)
        assert row["rate"] == pytest.approx(float((ours[f"says@{name}"] != 0).mean()))
    shares = with_transfer(table)["transfer"]
    assert shares.notna().sum() == len(ours)
    expected = ((ours["says@a"] != 0).astype(float) + (ours["says@b"] != 0)) / 2
    np.testing.assert_allclose(shares[ours.index], expected)
    assert of_victim(told, OTHERS).loc[REFERENCE, "rate"] == pytest.approx(float(expected.mean()))


def test_planted_gains_are_found_and_an_equal_recipe_gains_nothing():
    table = planted(
        {recipe: {} for recipe in ALL}, 300, fooled={REFERENCE: 0.9, OTHER: 0.6, THIRD: 0.9},
        transfer={REFERENCE: 0.3, OTHER: 0.3, THIRD: 0.6},
    )  # fmt: skip
    found = gains(outcomes(table, ALL), REFERENCE, ALL)
    own, others = of_victim(found, OWN), of_victim(found)
    assert own.loc[OTHER, "low"] < -0.3 + 0.06
    assert own.loc[OTHER, "p_holm"] < 1e-6
    assert own.loc[THIRD, "p_holm"] > 0.05
    assert others.loc[THIRD, "low"] > 0.1
    assert others.loc[THIRD, "p_holm"] < 0.001
    assert others.loc[OTHER, "p_holm"] > 0.05
    assert REFERENCE not in own.index


def test_controls_are_no_part_of_the_correction():
    table = planted({REFERENCE: {}, OTHER: {}, NOISE: {}}, 100, fooled={NOISE: 0.1})
    found = gains(outcomes(table, [REFERENCE, OTHER, NOISE]), REFERENCE, [OTHER, NOISE])
    own = of_victim(found, OWN)
    assert np.isnan(own.loc[NOISE, "p_holm"])
    assert own.loc[OTHER, "p_holm"] == own.loc[OTHER, "p"]


def test_without_other_classifiers_there_is_success_alone():
    table = planted({REFERENCE: {}, OTHER: {}}, 60, others=())
    told = outcomes(table, [REFERENCE, OTHER])
    assert set(told["victim"]) == {OWN}
    assert "transfer" not in with_transfer(table)
    assert not len(of_victim(gains(told, REFERENCE, [OTHER])))


def test_exchangeable_recipes_gain_hardly_ever():
    claims = []
    for seed in range(30):
        table = planted({REFERENCE: {}, OTHER: {}}, 100, seed=seed, transfer={REFERENCE: 0.4})
        found = gains(outcomes(table, [REFERENCE, OTHER]), REFERENCE, [OTHER], seed=seed)
        claims.append(float(of_victim(found).loc[OTHER, "p_holm"]) < 0.05)
    assert np.mean(claims) <= 0.14  # of 30: four
