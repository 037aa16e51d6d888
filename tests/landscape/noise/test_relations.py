"""Flatness and transfer: what is planted over examples or over recipes is found, no more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from landscape.noise.equal_loss import at_equal_loss
from landscape.noise.rates import with_transfer
from landscape.noise.relations import EQUAL, over_examples, over_recipes
from tests.landscape.noise.planted import planted

COLUMN = "gaussian_rise@0.1"
RECIPES = [f"pgd(norm=linf, eps=0.1, steps={k}, stop=false)" for k in range(1, 7)]
FLAT = dict(zip(RECIPES, [1.0, 0.5, 0.7, 0.85, 1.3, 1.8], strict=True))


def table_of(chance: dict[str, float], seed: int = 0, n: int = 250) -> pd.DataFrame:
    effects = {recipe: {"flat": flat} for recipe, flat in FLAT.items()}
    return with_transfer(planted(effects, n, seed=seed, transfer=chance, others=("a", "b", "c")))


def test_recipes_whose_flatter_examples_transfer_more_correlate_negatively():
    table = table_of({recipe: 0.75 - 0.25 * FLAT[recipe] for recipe in RECIPES})
    found = over_recipes(table, RECIPES[0], RECIPES, [COLUMN]).set_index("kind")
    assert found.loc[EQUAL, "rho"] < -0.9
    assert found.loc[EQUAL, "high"] < 0
    assert found.loc[EQUAL, "n"] == 6


def test_unrelated_recipes_do_not_correlate_beyond_chance():
    claims = []
    for seed in range(40):
        table = table_of(dict.fromkeys(RECIPES, 0.5), seed, n=80)
        found = over_recipes(table, RECIPES[0], RECIPES, [COLUMN], seed=seed).set_index("kind")
        row = found.loc[EQUAL]
        claims.append(row["low"] > 0 or row["high"] < 0)
    # Six recipes on the same images: the interval is over images and only roughly right.
    assert np.mean(claims) <= 0.15


def test_the_points_are_the_comparisons_at_equal_loss():
    table = table_of(dict.fromkeys(RECIPES, 0.5))
    found = over_recipes(table, RECIPES[0], RECIPES, [COLUMN]).set_index("kind")
    by = {r: rows.set_index("id") for r, rows in table[table["transfer"].notna()].groupby("group")}
    points = [(0.0, 0.0)]
    for recipe in RECIPES[1:]:
        ids = by[recipe].index.intersection(by[RECIPES[0]].index)
        ours, theirs = by[recipe].loc[ids], by[RECIPES[0]].loc[ids]
        points.append(
            tuple(
                at_equal_loss(
                    ours[c].to_numpy(), theirs[c].to_numpy(), ours["loss"].to_numpy(),
                    theirs["loss"].to_numpy(), ratio=ratio,
                ).estimate
                for c, ratio in ((COLUMN, True), ("transfer", False))
            )
        )  # fmt: skip
    flat, transfer = np.array(points).T
    flat[1:] = np.log(flat[1:])
    ranks = [np.argsort(np.argsort(x)) for x in (flat, transfer)]
    assert found.loc[EQUAL, "rho"] == pytest.approx(np.corrcoef(*ranks)[0, 1])


def test_too_few_recipes_or_images_give_nothing():
    table = table_of(dict.fromkeys(RECIPES, 0.5))
    assert not len(over_recipes(table, RECIPES[0], RECIPES[:3], [COLUMN]))
    assert not len(over_recipes(table[table["id"] < "x010"], RECIPES[0], RECIPES, [COLUMN]))
    assert not len(over_examples(table.assign(transfer=np.nan), RECIPES, [COLUMN]))


def test_over_examples_a_relation_by_the_loss_alone_is_gone_with_the_loss_held_fixed():
    rng = np.random.default_rng(0)
    loss = np.exp(rng.normal(-5, 2, 300))
    sure = 1 / (1 + np.exp(2 * (np.log(loss) + 5)))
    table = pd.DataFrame(
        {
            "group": "r", "id": [str(i) for i in range(300)], "loss": loss,
            COLUMN: loss * np.exp(rng.normal(0, 0.5, 300)),
            "transfer": rng.binomial(10, sure) / 10,
        }
    )  # fmt: skip
    found = over_examples(table, ["r"], [COLUMN])
    found = found[found["covariate"] == COLUMN].set_index("controlled_for")
    assert found.loc["", "rho"] < -0.5
    assert found.loc["", "p_holm"] < 1e-6
    assert abs(found.loc["loss", "rho"]) < 0.15
