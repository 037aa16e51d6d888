"""The reference in the place of the genuine images: planted gains are found, others are not."""

from __future__ import annotations

import numpy as np
import pytest

from landscape.flatness.catalogue import MEASURES
from landscape.measures import Measure
from landscape.noise.against import against
from landscape.noise.lookup import row_of, same_of
from landscape.noise.measures import REACHED
from tests.landscape.noise.planted import OTHER, REFERENCE, THIRD, planted

RISE = {"gaussian_rise": MEASURES["gaussian_rise"], "l2": REACHED["l2"]}


def test_a_planted_gain_is_found_on_the_same_images_and_one_at_equal_loss():
    table = planted({REFERENCE: {}, OTHER: {"flat": 5.0, "l2": 1.2}, THIRD: {"loss": 3.0}}, 300)
    found = against(table, REFERENCE, [REFERENCE, OTHER, THIRD], RISE)
    assert set(found.paired["group"]) == {OTHER, THIRD}
    planted_row = row_of(found, OTHER, "gaussian_rise")
    assert planted_row["low"] < 5 < planted_row["high"]
    assert planted_row["beyond"] == 1
    assert planted_row["verdict"] == "survives"
    assert row_of(found, OTHER, "l2")["low"] < 1.2 < row_of(found, OTHER, "l2")["high"]
    confident = row_of(found, THIRD, "gaussian_rise")
    assert confident["p_holm"] < 0.05, "a larger loss makes a larger rise"
    assert confident["beyond"] == 0, "at equal loss nothing of it is left"
    assert row_of(found, "absent", "l2") is None
    assert same_of(found.paired[:0], OTHER, "l2") is None


def test_only_images_on_which_both_succeed_are_compared():
    table = planted({REFERENCE: {}, OTHER: {}}, 100, fooled={REFERENCE: 0.8, OTHER: 0.6})
    found = against(table, REFERENCE, [OTHER], RISE)
    wins = table[table["status"] == "success"].groupby("id").size()
    assert found.paired["n"].unique().tolist() == [int((wins == 2).sum())]


def test_examples_without_a_measure_are_left_out():
    table = planted({REFERENCE: {}, OTHER: {}}, 100).assign(path=1.0)
    table.loc[table["id"] >= "x050", "path"] = np.nan
    found = against(table, REFERENCE, [OTHER], {"path": Measure("path", "", "", logarithmic=False)})
    assert int(found.paired["n"].max()) <= 50


def test_partners_of_equal_loss_come_from_all_images_that_the_reference_fools():
    table = planted({REFERENCE: {}, OTHER: {}}, 120, fooled={REFERENCE: 1.0})
    ours = table["group"] == OTHER
    table.loc[ours & (table["id"] >= "x060"), "status"] = "not fooled"
    base = table[table["group"] == REFERENCE].sort_values("id")["loss"].to_numpy()
    few = (ours & (table["id"] < "x060")).to_numpy()
    # As sure as the reference is of the images that only the reference fools.
    table.loc[few, "loss"] = 1e-9 * base[60:]
    table.loc[(table["group"] == REFERENCE) & (table["id"] >= "x060"), "loss"] *= 1e-9
    found = against(table, REFERENCE, [OTHER], RISE)
    assert int(found.matching["of"].iloc[0]) == int((table[few]["status"] == "success").sum())
    assert int(found.matching["pairs"].iloc[0]) > 0.9 * int(found.matching["of"].iloc[0])


def test_recipes_that_fool_nothing_are_left_out():
    table = planted({REFERENCE: {}, OTHER: {}}, 60, fooled={OTHER: 0.0})
    assert against(table, REFERENCE, [OTHER], RISE) is None
    assert row_of(None, OTHER, "l2") is None


@pytest.mark.slow
def test_exchangeable_recipes_are_hardly_ever_told_apart():
    claims = []
    for seed in range(60):
        table = planted({REFERENCE: {}, OTHER: {}, THIRD: {}}, 120, seed=seed)
        found = against(table, REFERENCE, [OTHER, THIRD], RISE)
        claims.append(
            bool((found.paired["p_holm"] < 0.05).any())
            or bool((found.discrimination["beyond"].fillna(0) != 0).any())
        )
    assert np.mean(claims) < 0.15  # two families at 0.05 each, and their error
