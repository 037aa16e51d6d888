from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from attacks.transfer import paired_gain, scale_curve, success_rates
from core.errors import InputError
from core.statistics import holm, wilson
from tests.attacks.transfer.tables import NAMES, fooled_ids, pick, random_table, renamed

FEW = {"draws": 200}


def literal_mean_interval(per_image: np.ndarray, draws: int, seed: int) -> tuple[float, float]:
    index = np.random.default_rng(seed).integers(0, len(per_image), (draws, len(per_image)))
    low, high = np.percentile(per_image[index].mean(1), [2.5, 97.5])
    return low, high


def per_image(table: pd.DataFrame, recipe: str, pairs: list[tuple[str, str]]) -> np.ndarray:
    ids = sorted(set(table["id"]))
    sets = [fooled_ids(table, recipe, *pair) for pair in pairs]
    return np.array([np.mean([i in s for s in sets]) for i in ids])


def test_rates_of_cells_are_proportions_with_wilsons_interval():
    table = random_table()
    found = success_rates(table, **FEW)
    for source in NAMES:
        for victim in NAMES:
            row = pick(found, recipe="noisy", source=source, victim=victim)
            hits = len(fooled_ids(table, "noisy", source, victim))
            bound = wilson(hits, 30)
            assert (row["n"], row["rate"]) == (30, hits / 30)
            assert (row["low"], row["high"]) == (bound.low, bound.high)


def test_means_are_those_of_the_images_as_clusters():
    table = random_table()
    found = success_rates(table, seed=3, **FEW)
    others = [("b", "a"), ("b", "c")]
    every = [(s, v) for s in NAMES for v in NAMES if s != v]
    for pairs, source, victim in ((others, "b", "others"), (every, "all", "all")):
        row = pick(found, recipe="pgd", source=source, victim=victim)
        means = per_image(table, "pgd", pairs)
        assert row["rate"] == pytest.approx(means.mean())
        assert (row["low"], row["high"]) == pytest.approx(literal_mean_interval(means, 200, 3))


def test_a_gain_is_the_literal_paired_one():
    table = random_table(60)
    found = paired_gain(table, "noisy", "pgd", seed=4, **FEW)
    for source, victim in (("a", "b"), ("c", "c")):
        first, second = (fooled_ids(table, r, source, victim) for r in ("noisy", "pgd"))
        row = pick(found, source=source, victim=victim)
        gain = per_image(table, "noisy", [(source, victim)]) - per_image(
            table, "pgd", [(source, victim)]
        )
        assert row["gain"] == pytest.approx((len(first) - len(second)) / 60)
        assert row["rate"] - row["reference_rate"] == pytest.approx(row["gain"])
        assert (row["low"], row["high"]) == pytest.approx(literal_mean_interval(gain, 200, 4))
        discordant = len(first - second), len(second - first)
        assert (row["only_recipe"], row["only_reference"]) == discordant
        expected = stats.binomtest(discordant[0], sum(discordant)).pvalue
        assert row["p"] == pytest.approx(expected, abs=1e-12)


def test_holm_is_over_the_pairs_of_different_classifiers_and_over_the_sources():
    found = paired_gain(random_table(60), "noisy", "pgd", **FEW)
    white = found["source"] == found["victim"]
    assert found.loc[white & (found["source"] != "all"), "p_holm"].isna().all()
    for rows in (found[~white & (found["victim"] != "others")], found[found["victim"] == "others"]):
        assert rows["p_holm"].to_numpy() == pytest.approx(holm(rows["p"].to_numpy()))
    last = found.iloc[-1]
    assert (last["source"], last["victim"], last["p_holm"]) == ("all", "all", last["p"])


def test_the_p_value_of_the_mean_gain_is_exact_for_few_images():
    table = random_table(9, seed=2)
    pairs = [(s, v) for s in NAMES for v in NAMES if s != v]
    gain = per_image(table, "noisy", pairs) - per_image(table, "pgd", pairs)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 9)).reshape(9, -1)
    null = np.abs((signs * gain[:, None]).mean(0))
    expected = (null >= abs(gain.mean()) - 1e-12).mean()
    row = pick(paired_gain(table, "noisy", "pgd", **FEW), source="all")
    assert row["p"] == pytest.approx(expected)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 1000))
def test_neither_the_order_of_the_rows_nor_the_names_matter(seed):
    table = random_table(20, seed=seed)
    shuffled = table.sample(frac=1, random_state=seed)
    names = {"a": "z", "b": "y", "c": "x"}
    keys = ["source", "victim"]
    first = paired_gain(table, "noisy", "pgd", draws=25).set_index(keys).sort_index()
    again = paired_gain(shuffled, "noisy", "pgd", draws=25).set_index(keys).sort_index()
    pd.testing.assert_frame_equal(first, again)
    other = paired_gain(renamed(table, names), "noisy", "pgd", draws=25)
    back = renamed(other, {v: k for k, v in names.items()} | {"all": "all", "others": "others"})
    pd.testing.assert_frame_equal(first, back.set_index(keys).sort_index())


def test_exchanging_recipe_and_reference_turns_the_sign():
    table = random_table(40)
    ahead, behind = (paired_gain(table, *r, **FEW) for r in (("noisy", "pgd"), ("pgd", "noisy")))
    assert ahead["gain"].to_numpy() == pytest.approx(-behind["gain"].to_numpy())
    assert ahead["p"].to_numpy() == pytest.approx(behind["p"].to_numpy())


def test_no_difference_is_no_claim_and_not_certain_either():
    row = paired_gain(random_table(), "pgd", "pgd", **FEW).iloc[-1]
    room = wilson(0, 30).high
    assert (row["gain"], row["p"], row["low"], row["high"]) == (0, 1, -room, room)
    table = random_table().assign(fooled=False)
    last = success_rates(table, **FEW).iloc[-1]
    assert (last["rate"], last["low"], last["high"]) == (0, 0, room)


def test_images_that_all_fared_alike_leave_a_mean_uncertain_also_where_cells_differ():
    table = random_table().assign(fooled=lambda rows: rows["victim"] == "a")
    room = wilson(0, 30).high
    for source, victim, rate in (("b", "others", 1 / 2), ("all", "all", 1 / 3)):
        row = pick(success_rates(table, **FEW), recipe="pgd", source=source, victim=victim)
        assert (row["rate"], row["low"], row["high"]) == pytest.approx(
            (rate, max(0, rate - room), rate + room)
        )
    noisy = table["recipe"] == "noisy"
    table["fooled"] = np.where(noisy, table["victim"] == "a", table["victim"] == "b")
    row = pick(paired_gain(table, "noisy", "pgd", **FEW), source="c", victim="others")
    assert (row["gain"], row["low"], row["high"]) == pytest.approx((0, -room, room))


def test_images_that_a_cell_lacks_are_left_out_of_it_and_of_its_pairs():
    table = random_table()
    gone = (table["id"] == "val/7") & (table["recipe"] == "pgd") & (table["victim"] == "b")
    found = paired_gain(table[~gone], "noisy", "pgd", **FEW)
    assert pick(found, source="a", victim="b")["n"] == 29
    assert pick(found, source="a", victim="c")["n"] == 30
    without = paired_gain(table[table["id"] != "val/7"], "noisy", "pgd", **FEW)
    for name in ("gain", "rate", "reference_rate", "p"):
        cell = [pick(f, source="a", victim="b")[name] for f in (found, without)]
        assert cell[0] == pytest.approx(cell[1])


def test_the_curve_has_the_gain_at_each_scale_and_holm_over_them():
    table = random_table(40, recipes=("pgd", "strong", "weak"))
    curve = scale_curve(table, "pgd", {"strong": 0.2, "weak": 0.05}, **FEW)
    whole = curve[curve["source"] == "all"]
    assert whole["scale"].tolist() == [0.05, 0.2]
    assert whole["recipe"].tolist() == ["weak", "strong"]
    single = paired_gain(table, "strong", "pgd", **FEW).iloc[-1]
    assert whole.iloc[1][["gain", "low", "high", "p"]].tolist() == pytest.approx(
        single[["gain", "low", "high", "p"]].tolist()
    )
    assert whole["p_holm"].to_numpy() == pytest.approx(holm(whole["p"].to_numpy()))
    assert set(curve["source"]) == {"all", *NAMES}


def test_nonsense_is_refused():
    table = random_table(5)
    with pytest.raises(InputError, match="recipe: unknown name 'pdg'; did you mean 'pgd'"):
        paired_gain(table, "noisy", "pdg")
    with pytest.raises(InputError, match="'fooled' is missing"):
        success_rates(table.drop(columns="fooled"))
    with pytest.raises(InputError, match="more than one row"):
        success_rates(pd.concat([table, table.iloc[:1]]))
    with pytest.raises(InputError, match="two labels"):
        success_rates(table.assign(label=range(len(table))))
    with pytest.raises(InputError, match="no row"):
        success_rates(table.iloc[:0])
    other = table[(table["recipe"] == "pgd") == (table["source"] == "a")]
    with pytest.raises(InputError, match="share no source"):
        paired_gain(other, "noisy", "pgd")
    with pytest.raises(InputError, match="scale_of"):
        scale_curve(table, "pgd", {})
