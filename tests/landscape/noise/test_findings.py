"""What is said of a study: claims need a test and an interval, and noise is told from no noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from attacks import parse
from core.statistics import Interval
from landscape.noise.analysis import analyse
from landscape.noise.claims import claimed, compared_claim, curve_claim, gain_claim
from landscape.noise.findings import findings
from landscape.noise.recipes import spoken_labels
from tests.landscape.noise.planted import OTHER, REFERENCE, THIRD, planted

NOISY = "pgd(norm=linf, eps=0.1, steps=10, noisy=gaussian, noise_scale=0.1)"
LAST = "pgd(norm=linf, eps=0.1, steps=10, noisy=gaussian, noise_scale=0)"
STRONG = "pgd(norm=linf, eps=0.1, steps=10, noisy=gaussian, noise_scale=0.4)"


def test_a_claim_needs_a_small_p_and_an_interval_without_the_null():
    assert claimed(Interval(1.0, 0.5, 1.5), 0.01) == 1
    assert claimed(Interval(-1.0, -1.5, -0.5), 0.01) == -1
    assert claimed(Interval(1.0, 0.5, 1.5), 0.06) == 0
    assert claimed(Interval(1.0, -0.1, 1.5), 0.01) == 0
    assert claimed(Interval(np.nan, np.nan, np.nan), np.nan) == 0
    row = pd.Series({"estimate": 0.8, "low": 0.7, "high": 0.9, "effect": "ratio", "p_holm": 0.01})
    assert compared_claim(row) == -1
    assert compared_claim(None) == 0
    assert gain_claim(pd.Series({"gain": 0.1, "low": 0.05, "high": 0.2, "p_holm": 0.01})) == 1
    curve = {"flat": 0.8, "flat_low": 0.7, "flat_high": 0.9, "flat_p": 0.01, "flat_effect": "ratio"}
    assert curve_claim(pd.Series(curve), "flat") == -1


@pytest.fixture(scope="module")
def told() -> list:
    effects = {
        REFERENCE: {}, OTHER: {"l2": 1.3}, THIRD: {"flat": 0.6}, NOISY: {"flat": 0.7},
        LAST: {"flat": 0.9}, STRONG: {"flat": 0.5},
    }  # fmt: skip
    table = planted(effects, 250, fooled={STRONG: 0.5}, transfer={NOISY: 0.8})
    recipes = {text: parse(text) for text in effects}
    compared = [text for text in effects if text != STRONG]
    scaled = {"gaussian": {0.1: recipes[NOISY], 0.4: recipes[STRONG]}}
    analysis = analyse(table, recipes, REFERENCE, compared, scaled, pd.DataFrame())
    labels = spoken_labels(list(recipes.values()), recipes[REFERENCE])
    return findings(analysis, labels, "linf 0.1, 10 gradients")


def test_the_answer_counts_the_recipes_with_noise_at_equal_loss(told):
    assert told[0].significant
    assert "linf 0.1, 10 gradients" in told[0].text
    assert "of 2 recipes with noise: 2 flatter, none sharper" in told[0].text
    assert "none less transferable, 1 more transferable" in told[0].text


def test_every_aspect_names_what_was_planted_in_it(told):
    by = {finding.text.split(" (")[0]: finding for finding in told}
    assert "Langevin noise 0.05 0.6" in by["Flatness"].text
    assert "Gaussian classifier noise 0.1 0.7" in by["Flatness"].text
    assert "arther away: momentum 1 1.3" in by["Distance"].text
    assert "ore transferable: Gaussian classifier noise 0.1" in by["Transfer"].text
    assert "Connection" not in by, "no path was measured"


def test_what_keeping_the_last_point_does_is_told_apart_from_noise(told):
    kept = next(f for f in told if f.text.startswith("Recipes with changed copies"))
    assert "without noise, has 0.9" in kept.text
    assert "flatter: Gaussian classifier noise 0.1 0.7" in kept.text
    assert "Langevin" not in kept.text, "it keeps its best point, as sign PGD does"


def test_the_scale_is_told_with_its_numbers(told):
    curve = next(f for f in told if f.text.startswith("Gaussian classifier noise at scales"))
    assert curve.significant
    assert "at 0.1" in curve.text
    assert "Success in points: −5" in curve.text


def test_exchangeable_recipes_make_no_claim():
    effects = {REFERENCE: {}, OTHER: {}, THIRD: {}}
    recipes = {text: parse(text) for text in effects}
    labels = spoken_labels(list(recipes.values()), recipes[REFERENCE])
    claims = []
    for seed in range(5):
        analysis = analyse(
            planted(effects, 100, seed=seed), recipes, REFERENCE, list(effects), {}, pd.DataFrame()
        )
        found = findings(analysis, labels, "")
        claims.append(any(f.significant for f in found))
    assert sum(claims) <= 1


def test_a_study_without_noise_says_so():
    recipes = {text: parse(text) for text in (REFERENCE, OTHER)}
    table = planted({REFERENCE: {}, OTHER: {}}, 60, others=())
    analysis = analyse(table, recipes, REFERENCE, list(recipes), {}, pd.DataFrame())
    labels = spoken_labels(list(recipes.values()), recipes[REFERENCE])
    assert "No recipe with noise" in findings(analysis, labels, "b")[0].text
