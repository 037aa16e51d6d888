from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.errors import InputError
from core.statistics import spearman


def test_the_estimate_is_scipys_ties_included():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, 60), rng.integers(0, 5, 60)
    assert spearman(x, y).estimate == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_monotone_relations_are_perfect_whatever_their_shape():
    x = np.random.default_rng(1).normal(size=30)
    found = spearman(x, np.exp(3 * x))
    assert (found.estimate, found.low, found.high) == pytest.approx((1, 1, 1))
    assert spearman(x, -(x**3)).estimate == pytest.approx(-1)


def test_ranks_are_taken_anew_in_each_resample():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 15))
    found = spearman(x, y, seed=3, resamples=200, level=0.8)
    index = np.random.default_rng(3).integers(0, 15, (200, 15))
    literal = [stats.spearmanr(x[row], y[row]).statistic for row in index]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(literal, [10, 90])))


def test_a_constant_measure_has_no_correlation():
    found = spearman(np.ones(5), np.arange(5))
    assert np.isnan([found.estimate, found.low, found.high]).all()


def test_other_lengths_are_refused():
    with pytest.raises(InputError, match="x and y are paired"):
        spearman([1.0, 2.0], [1.0])


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(4)
    true = 6 / np.pi * np.arcsin(0.6 / 2)
    covered = 0
    for _ in range(200):
        x, e = rng.normal(size=(2, 80))
        covered += not spearman(x, 0.6 * x + 0.8 * e, resamples=400).excludes(true)
    assert 180 <= covered <= 198
