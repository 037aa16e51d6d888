"""Which detectors are claimed, on planted tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from autoencoders.explore import findings
from autoencoders.explore.comparing import compared, controls, restored, twins

PGD = "pgd(norm=linf, eps=0.2, steps=40)"
NOISE = f"noise(like={PGD})"
GROUPS = (NOISE, PGD)
NAMES = ("input-ae", "6-ae")
N = 120


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Plant: the error of input-ae shows noise and PGD, the rest is confidence or nothing."""
    rng = np.random.default_rng(0)
    ids = [f"digits/{i:03d}" for i in range(N)]
    logs = {"genuine": rng.normal(-4, 2, N), NOISE: rng.normal(-2, 2, N), PGD: rng.normal(-4, 2, N)}
    frames = []
    for name in NAMES:
        for group, log in logs.items():
            shift = {"genuine": 0, NOISE: 8, PGD: 4}[group] if name == "input-ae" else 0
            frames.append(
                pd.DataFrame(
                    {
                        "id": ids,
                        "name": name,
                        "group": group,
                        "status": "genuine" if group == "genuine" else "success",
                        "label": 1,
                        "prediction": 1,
                        "uncertainty": np.exp(log),
                        "surprise": log,
                        "error": rng.normal(shift, 1, N),
                        "change": rng.normal(0, 1, N),
                        "spliced_right": rng.random(N) < (0.25 if group == PGD else 0.9),
                    }
                )
            )
    found = pd.concat(frames, ignore_index=True)
    found.loc[(found["group"] == PGD) & (found["id"] == ids[0]), "status"] = "not fooled"
    return found.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def areas(table) -> pd.DataFrame:
    return compared(table, NAMES, GROUPS).set_index(["group", "name", "detector"])


def test_twins_are_paired_by_id_and_failures_do_not_count(table):
    ours, genuine = twins(table[table["name"] == "6-ae"], PGD)
    assert len(ours) == N - 1
    assert list(ours.index) == list(genuine.index)
    assert set(genuine["group"]) == {"genuine"}


def test_only_what_goes_beyond_the_confidence_is_claimed(areas):
    claimed = areas[areas["claim"]].index.tolist()
    assert sorted(claimed) == sorted((group, "input-ae", "error") for group in GROUPS)
    confidence = areas.loc[(NOISE, "6-ae", "surprise")]
    assert confidence["auc_low"] > 0.5, "it does tell noise from genuine,"
    assert confidence["gain"] == pytest.approx(0), "no better than the confidence"


def test_the_noise_control_shows_what_a_detector_really_sees(areas):
    row = areas.loc[(PGD, "input-ae", "error")]
    assert row["auc_low"] > 0.9
    assert row["control_n"] == N - 1
    assert row["control_high"] < 0.1, "random noise has the larger error"
    assert np.isnan(areas.loc[(NOISE, "input-ae", "error")]["control"])
    assert controls(GROUPS) == {PGD: NOISE}
    assert controls([NOISE]) == {}


def test_every_p_is_corrected_over_the_whole_table(areas):
    for column in ("p", "gain_p", "matched_p"):
        known = areas[column].notna()
        assert (areas.loc[known, f"{column}_holm"] >= areas.loc[known, column]).all()
    smallest = areas["gain_p"].min()
    assert areas["gain_p_holm"].min() == pytest.approx(smallest * areas["gain_p"].notna().sum())


def test_classes_that_come_back_are_counted_among_those_that_count(table):
    found = restored(table, NAMES, GROUPS).set_index(["name", "group"])
    ours, _ = twins(table[table["name"] == "6-ae"], PGD)
    assert found.loc[("6-ae", PGD), "n"] == N - 1
    assert found.loc[("6-ae", PGD), "right"] == ours["spliced_right"].sum()
    assert found.loc[("6-ae", "genuine"), "share"] > 0.8


def test_findings_name_the_best_detector_and_put_controls_last(areas):
    found = findings.detecting(areas.reset_index(), {NOISE: "noise", PGD: "PGD"}, [PGD])
    assert [f.about for f in found] == [PGD, NOISE]
    assert found[0].significant
    assert "the reconstruction error of input-ae" in found[0].text
    assert "larger for the noise" in found[0].text
    assert "1 of 6 detectors" in found[0].text


def test_a_group_with_few_successes_is_said_to_say_nothing(table):
    few = table[(table["group"] != PGD) | table["id"].lt("digits/010")]
    found = findings.detecting(compared(few, NAMES, GROUPS), {PGD: "PGD"}, [PGD])
    assert found[0].significant is None
    assert "too few" in found[0].text


def test_chains_that_have_not_mixed_are_called_so():
    rows = pd.DataFrame(
        {"name": "input-ae", "class": [0, 1], "r_hat": [1.01, 1.4], "effective": [90.0, 5.0],
         "reached": [True, True]}
    )  # fmt: skip
    mixed, skipped = findings.mixing(rows, ["input-fsq"], 1)
    assert mixed.verdict == "not all mixed"
    assert "1 of 2 classes" in mixed.text
    assert "not a sample of the density" in mixed.text
    assert "input-fsq" in skipped.text
    (good,) = findings.mixing(rows.assign(r_hat=1.02), [], 4)
    assert good.verdict == "mixed"
    assert "Hamiltonian Monte Carlo (4 steps)" in good.text
