from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from attacks.transfer import same_wrong_class, shared_between_sources, shared_images
from core.statistics import expected_jaccard, holm, wilson
from tests.attacks.transfer.tables import NAMES, fooled_ids, pick, random_table, renamed


def test_overlaps_are_those_of_the_literal_sets():
    table = random_table(50)
    found = shared_images(table, draws=100)
    assert len(found) == 2 * 3 * 3
    for source, (first, second) in product(NAMES, [("a", "b"), ("a", "c"), ("b", "c")]):
        a, b = (fooled_ids(table, "pgd", source, v) for v in (first, second))
        row = pick(found, recipe="pgd", source=source, first=first, second=second)
        sizes = [len(a), len(b), len(a & b), len(a | b), len(a - b), len(b - a)]
        names = ["n_first", "n_second", "n_both", "n_either", "only_first", "only_second"]
        assert row[names].tolist() == sizes
        assert row["jaccard"] == len(a & b) / len(a | b)
        assert row["expected_jaccard"] == expected_jaccard(len(a), len(b), 50)
        answers = [[i in s for i in sorted(set(table["id"]))] for s in (a, b)]
        assert row["kappa"] == pytest.approx(cohen_kappa_score(*answers))
        p = stats.binomtest(len(a - b), len(a ^ b)).pvalue
        assert row["p"] == pytest.approx(p, abs=1e-12)
    for _, rows in found.groupby("recipe"):
        assert rows["p_holm"].to_numpy() == pytest.approx(holm(rows["p"].to_numpy()))


def test_intervals_are_the_literal_bootstrap_of_the_images():
    table = random_table(40)
    row = shared_images(table, draws=150, seed=2).iloc[2]
    ids = sorted(set(table["id"]))
    key = row["recipe"], row["source"]
    sets = [fooled_ids(table, *key, row[v]) for v in ("first", "second")]
    a, b = (np.array([i in s for i in ids]) for s in sets)

    def literal(a, b, axis):
        return (a & b).sum(axis) / (a | b).sum(axis)

    rng = np.random.default_rng(2)
    found = stats.bootstrap((a, b), literal, n_resamples=150, paired=True, rng=rng, method="BCa")
    bounds = found.confidence_interval
    assert (row["jaccard_low"], row["jaccard_high"]) == pytest.approx((bounds.low, bounds.high))


def test_between_sources_the_victim_is_held_and_the_sources_compared():
    table = random_table(50)
    found = shared_between_sources(table, draws=50)
    row = pick(found, recipe="noisy", victim="c", first="a", second="b")
    a, b = (fooled_ids(table, "noisy", source, "c") for source in ("a", "b"))
    assert row["jaccard"] == len(a & b) / len(a | b)
    swapped = table.rename(columns={"source": "victim", "victim": "source"})
    mirrored = shared_images(swapped, draws=50).rename(columns={"source": "victim"})
    pd.testing.assert_frame_equal(found, mirrored)


def test_neither_the_order_of_the_rows_nor_of_the_two_victims_matters():
    table = random_table(40)
    found = shared_images(table, draws=50)
    shuffled = shared_images(table.sample(frac=1, random_state=0), draws=50)
    other = shared_images(renamed(table, {"a": "c", "b": "b", "c": "a"}), draws=50)
    same = ["n_both", "jaccard", "jaccard_low", "jaccard_high", "kappa", "kappa_low", "p"]
    row = pick(found, recipe="pgd", source="b", first="a", second="c")
    again = shuffled[(shuffled["recipe"] == "pgd") & (shuffled["source"] == "b")]
    again = again[again[["first", "second"]].isin(["a", "c"]).all(axis=1)].iloc[0]
    assert again[same].tolist() == pytest.approx(row[same].tolist())
    mirrored = pick(other, recipe="pgd", source="b", first="c", second="a")
    assert mirrored[same].tolist() == pytest.approx(row[same].tolist())


def test_disjoint_equal_and_empty_sets():
    rows = [(f"val/{i}", v) for i in range(20) for v in ("s", "x", "y", "z")]
    table = pd.DataFrame(rows, columns=["id", "victim"]).assign(label=0, recipe="r", source="s")
    number = table["id"].str[4:].astype(int)
    sets = {"s": number < 10, "x": number < 10, "y": number >= 10, "z": number < 0}
    table["fooled"] = np.select([table["victim"] == v for v in sets], list(sets.values()))
    table["fooled"] = table["fooled"].astype(bool)
    table["prediction"] = table["fooled"].astype(int)
    found = shared_images(table, draws=50)
    equal, apart = (pick(found, first="s", second=v) for v in "xy")
    assert (equal["jaccard"], equal["kappa"], equal["p"]) == (1, 1, 1)
    assert equal["jaccard_low"] == wilson(10, 10).low
    assert (apart["jaccard"], apart["kappa"]) == (0, -1)
    assert apart["jaccard_high"] == wilson(0, 20).high
    empty = shared_images(table[table["victim"].isin(["z", "s"])].assign(fooled=False), draws=50)
    assert empty.loc[0, ["jaccard", "expected_jaccard", "kappa", "kappa_low"]].isna().all()
    assert pick(same_wrong_class(table), first="s", second="x")["share"] == 1
    nobody = pick(same_wrong_class(table), first="s", second="z")
    assert nobody["n_both"] == 0
    assert nobody[["share", "low", "high", "shuffled", "p"]].isna().all()


def two_victims(labels, first, second) -> pd.DataFrame:
    """All images fool both victims, into these classes."""
    n = len(labels)
    ids = [f"val/{i:03d}" for i in range(n)]
    common = {"id": ids, "label": labels, "recipe": "r", "source": "s", "fooled": True}
    frames = [
        pd.DataFrame({**common, "victim": v, "prediction": p})
        for v, p in (("x", first), ("y", second))
    ]
    return pd.concat(frames, ignore_index=True)


def test_the_shuffled_share_is_the_mean_over_all_permutations_within_the_true_class():
    labels, first, second = [0, 0, 0, 1, 1, 1], [1, 1, 2, 0, 2, 2], [1, 2, 1, 0, 0, 2]
    row = same_wrong_class(two_victims(labels, first, second), permutations=4000).iloc[0]
    null = [
        np.mean(np.equal(first, [second[i] for i in (*p, *q)]))
        for p, q in product(permutations(range(3)), permutations(range(3, 6)))
    ]
    assert (row["n_both"], row["same"], row["share"]) == (6, 3, 0.5)
    assert row["shuffled"] == pytest.approx(np.mean(null), abs=1e-12)
    assert row["p"] == pytest.approx(np.mean(np.array(null) >= 0.5 - 1e-12), abs=0.03)
    assert row["chance"] == 1 / 2
    bound = wilson(3, 6)
    assert (row["low"], row["high"]) == (bound.low, bound.high)


def test_agreement_that_the_true_class_explains_is_not_called_agreement_on_the_image():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    first, second = ((labels + 1 + (rng.random(400) < 0.3)) % 4 for _ in range(2))
    explained = same_wrong_class(two_victims(labels, first, second), classes=4).iloc[0]
    assert explained["low"] > explained["chance"] == 1 / 3
    assert explained["low"] < explained["shuffled"] < explained["high"]
    assert explained["p"] > 0.05
    followed = np.where(rng.random(400) < 0.3, first, second)
    beyond = same_wrong_class(two_victims(labels, first, followed), classes=4).iloc[0]
    assert beyond["p"] == 1 / 1000
    assert beyond["low"] > beyond["shuffled"]


def test_p_of_the_agreement_is_uniform_where_there_is_none():
    rng = np.random.default_rng(1)
    found = []
    for seed in range(120):
        labels = rng.integers(0, 3, 60)
        wrong = [(labels + rng.integers(1, 8, 60)) % 8 for _ in range(2)]
        table = two_victims(labels, *wrong)
        found.append(same_wrong_class(table, permutations=99, seed=seed)["p"].iloc[0])
    assert np.mean(np.array(found) <= 0.05) <= 0.1
    assert 0.4 < np.mean(found) < 0.65


def test_one_victim_has_nobody_to_share_with_and_the_columns_stay():
    table = random_table(5, names=("a",))
    for function in (shared_images, shared_between_sources, same_wrong_class):
        empty = function(table)
        assert len(empty) == 0
        assert list(empty.columns) == list(function(random_table(5)).columns)
