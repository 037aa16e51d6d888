from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from attacks.transfer import relate_images, relate_pairs, transfer_of_images
from core.errors import InputError
from core.statistics import holm, partial_spearman, spearman
from tests.attacks.transfer.tables import NAMES, fooled_ids, pick, random_table

NUMBERS = ["low", "high", "p", "p_holm"]


def image_covariates(outcome: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Confidence drives transfer and flatness; flatness has no part of its own."""
    rng = np.random.default_rng(seed)
    rows = outcome[["source", "id", "recipe", "transfer"]].copy()
    rows["confidence"] = rows.pop("transfer") + rng.normal(0, 0.3, len(rows))
    rows["flatness"] = rows["confidence"] ** 3 + rng.normal(0, 0.3, len(rows))
    return rows


def pair_covariates(table: pd.DataFrame, strength: float, seed: int = 0) -> pd.DataFrame:
    rows = table[["id", "source", "victim", "recipe", "fooled"]].copy()
    noise = np.random.default_rng(seed).normal(size=len(rows))
    rows["alignment"] = noise + strength * rows.pop("fooled")
    return rows


def test_transfer_is_the_share_of_the_other_victims():
    table = random_table(12)
    found = transfer_of_images(table)
    assert len(found) == 2 * 3 * 12
    for image in ("val/3", "val/11"):
        row = pick(found, recipe="noisy", source="b", id=image)
        hits = [image in fooled_ids(table, "noisy", "b", victim) for victim in ("a", "c")]
        assert (row["victims"], row["transfer"]) == (2, np.mean(hits))


def test_raw_and_partial_relations_are_the_literal_ones():
    outcome = transfer_of_images(random_table(60))
    covariates = image_covariates(outcome)
    found = relate_images(outcome, covariates, controls=["confidence"], draws=120, seed=3)
    assert len(found) == 2 * 3 * 3
    rows = outcome.merge(covariates).sort_values("id")
    rows = rows[(rows["recipe"] == "pgd") & (rows["source"] == "c")]
    of = {"recipe": "pgd", "source": "c", "covariate": "flatness"}
    raw = pick(found, **of, controlled_for="")
    literal = spearman(rows["transfer"], rows["flatness"], resamples=120, seed=3)
    assert raw[["rho", "low", "high"]].tolist() == pytest.approx(
        [literal.estimate, literal.low, literal.high]
    )
    reference = stats.spearmanr(rows["transfer"], rows["flatness"])
    assert raw["p"] == pytest.approx(reference.pvalue, rel=1e-6)
    fixed = pick(found, **of, controlled_for="confidence")
    literal = partial_spearman(
        rows["transfer"], rows["flatness"], [rows["confidence"]], resamples=120, seed=3
    )
    assert fixed[["rho", "low", "high"]].tolist() == pytest.approx(
        [literal.estimate, literal.low, literal.high]
    )
    t = fixed["rho"] * np.sqrt((60 - 3) / (1 - fixed["rho"] ** 2))
    assert fixed["p"] == pytest.approx(2 * stats.t.sf(abs(t), 60 - 3))
    assert found["p_holm"].to_numpy() == pytest.approx(holm(found["p"].to_numpy()))
    assert (found["reason"] == "").all()


def test_what_only_confidence_carries_is_gone_when_confidence_is_held_fixed():
    rng = np.random.default_rng(0)
    confidence = rng.random(3000)
    outcome = pd.DataFrame({"id": [f"val/{i}" for i in range(3000)], "recipe": "pgd"})
    outcome = outcome.assign(source="a", transfer=rng.binomial(3, 1 - confidence) / 3)
    covariates = outcome[["id", "source"]].assign(confidence=confidence)
    covariates["flatness"] = confidence + rng.uniform(-0.3, 0.3, 3000)
    found = relate_images(outcome, covariates, controls=["confidence"], draws=50)
    assert pick(found, covariate="flatness", controlled_for="")["high"] < -0.4
    assert abs(pick(found, covariate="flatness", controlled_for="confidence")["rho"]) < 0.05


def test_covariates_of_the_genuine_image_serve_every_recipe():
    outcome = transfer_of_images(random_table(40))
    covariates = image_covariates(outcome)
    genuine = covariates[covariates["recipe"] == "pgd"].drop(columns="recipe")
    found = relate_images(outcome, genuine, draws=20)
    assert set(found["recipe"]) == {"pgd", "noisy"}
    assert (found["n"] == 40).all()
    assert found["rho"].notna().all()


def test_relations_that_cannot_be_told_say_why():
    outcome = transfer_of_images(random_table(40, recipes=("pgd",)))
    covariates = image_covariates(outcome).assign(same=1.0)
    covariates["copy"] = covariates["confidence"] * 2
    covariates.loc[covariates["source"] == "b", "flatness"] = np.nan
    few = covariates.index[covariates["source"] == "c"][:25]
    covariates.loc[few, "flatness"] = np.nan
    found = relate_images(outcome, covariates, controls=["confidence"], draws=20)

    def reason(source, covariate, control=""):
        row = pick(found, source=source, covariate=covariate, controlled_for=control)
        assert row[NUMBERS].isna().all() == bool(row["reason"])
        return row["reason"]

    assert reason("a", "same") == "constant"
    assert reason("a", "copy", "confidence") == "determined by what is held fixed"
    assert reason("b", "flatness") == "not measured"
    assert reason("b", "copy") == ""
    assert reason("c", "copy") == "fewer than 20 images"
    assert pick(found, source="c", covariate="copy", controlled_for="")["n"] == 15


def test_relations_are_blind_to_the_order_of_the_rows_and_to_monotone_changes():
    outcome = transfer_of_images(random_table(40, recipes=("pgd",)))
    covariates = image_covariates(outcome)
    keys = ["source", "covariate", "controlled_for"]

    def of(outcome, covariates):
        found = relate_images(outcome, covariates, controls=["confidence"], draws=40)
        return found.set_index(keys).sort_index()

    changed = covariates.sample(frac=1, random_state=1)
    changed = changed.assign(flatness=np.exp(changed["flatness"]))
    pd.testing.assert_frame_equal(
        of(outcome, covariates), of(outcome.sample(frac=1, random_state=0), changed)
    )


def test_the_auc_of_a_pair_is_the_literal_one():
    table = random_table(80)
    covariates = pair_covariates(table, 1.0)
    found = relate_pairs(table, covariates, draws=50)
    assert (found["statistic"] == "auc").sum() == 2 * 6
    rows = table.merge(covariates)
    for source, victim in (("a", "b"), ("c", "a")):
        one = rows[(rows["recipe"] == "noisy") & (rows["source"] == source)]
        one = one[one["victim"] == victim]
        row = pick(found, recipe="noisy", source=source, victim=victim)
        assert row["estimate"] == pytest.approx(roc_auc_score(one["fooled"], one["alignment"]))
        assert (row["n"], row["n_fooled"]) == (80, one["fooled"].sum())
        assert row["low"] < row["estimate"] < row["high"]
    for _, family in found.groupby(["recipe", "statistic"]):
        assert family["p_holm"].to_numpy() == pytest.approx(holm(family["p"].to_numpy()))


def test_over_pairs_the_correlation_and_its_p_are_the_literal_ones():
    names = ("a", "b", "c", "d")
    table = random_table(40, recipes=("pgd",), names=names)
    covariates = pair_covariates(table, 3.0).drop(columns="recipe")
    row = pick(relate_pairs(table, covariates, draws=50), statistic="spearman")
    rows = table.merge(covariates)
    means = rows[rows["source"] != rows["victim"]].groupby(["source", "victim"])
    means = means[["alignment", "fooled"]].mean()
    assert row["estimate"] == pytest.approx(
        stats.spearmanr(means["alignment"], means["fooled"]).statistic
    )
    assert (row["n"], row["source"], row["victim"]) == (12, "all", "all")
    null = []
    for order in permutations(names):
        moved = dict(zip(names, order, strict=True))
        others = [means["alignment"][moved[s], moved[v]] for s, v in means.index]
        null.append(stats.spearmanr(others, means["fooled"]).statistic)
    assert row["p"] == pytest.approx(np.mean(np.abs(null) >= abs(row["estimate"]) - 1e-9))
    assert row["low"] <= row["estimate"] <= row["high"]


def test_pairs_that_cannot_be_told_say_why():
    table = random_table(40, recipes=("pgd",))
    table.loc[(table["source"] == "a") & (table["victim"] == "b"), "fooled"] = False
    table.loc[(table["source"] == "a") & (table["victim"] == "c"), "fooled"] = True
    covariates = pair_covariates(table, 1.0)
    covariates.loc[covariates["source"] == "b", "alignment"] = np.nan
    few = covariates.index[(covariates["source"] == "c") & (covariates["victim"] == "a")][:25]
    covariates.loc[few, "alignment"] = np.nan
    found = relate_pairs(table, covariates, draws=20)
    reasons = {
        (s, v): pick(found, source=s, victim=v)["reason"] for s in NAMES for v in NAMES if s != v
    }
    assert reasons == {
        ("a", "b"): "fewer than 5 fooled",
        ("a", "c"): "fewer than 5 not fooled",
        ("b", "a"): "not measured",
        ("b", "c"): "not measured",
        ("c", "a"): "fewer than 20 images",
        ("c", "b"): "",
    }
    two = random_table(40, recipes=("pgd",), names=("a", "b"))
    row = relate_pairs(two, pair_covariates(two, 1.0), draws=20).iloc[-1]
    assert row["reason"] == "fewer than 3 classifiers"
    flat = pair_covariates(random_table(40), 1.0).assign(alignment=0.5)
    assert relate_pairs(random_table(40), flat, draws=20).iloc[-1]["reason"] == "constant"


def test_nonsense_is_refused():
    outcome = transfer_of_images(random_table(10))
    covariates = image_covariates(outcome)
    with pytest.raises(InputError, match="'loss' is not a column"):
        relate_images(outcome, covariates, controls=["loss"])
    with pytest.raises(InputError, match="more than one row"):
        relate_images(outcome, pd.concat([covariates, covariates]))
    with pytest.raises(InputError, match="'id' is missing"):
        relate_images(outcome, covariates.drop(columns="id"))
    with pytest.raises(InputError, match="no column beside"):
        relate_images(outcome, covariates[["id", "source", "recipe"]])
    with pytest.raises(InputError, match="does not hold numbers"):
        relate_images(outcome, covariates.assign(note="x"))
    with pytest.raises(InputError, match="no victim other than the source"):
        transfer_of_images(random_table(5, names=("a",)))
