from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.errors import InputError
from core.statistics import partial_spearman, spearman
from core.statistics.association import correlation_p


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


def residual_correlation(x, y, controls):
    """Literal: regress ranks on ranks, correlate what is left."""
    ranks = [stats.rankdata(v) for v in (x, y, *controls)]
    design = np.stack([np.ones(len(x)), *ranks[2:]], axis=1)
    left = [r - design @ np.linalg.lstsq(design, r, rcond=None)[0] for r in ranks[:2]]
    return np.corrcoef(*left)[0, 1]


@pytest.mark.parametrize("k", [1, 2])
def test_the_partial_correlation_is_that_of_what_is_left_of_the_ranks(k):
    rng = np.random.default_rng(5)
    controls = list(rng.integers(0, 6, (k, 50)))
    x, y = rng.integers(0, 4, 50) + controls[0], rng.normal(size=50) + controls[-1]
    found = partial_spearman(x, y, controls, resamples=60, seed=1)
    assert found.estimate == pytest.approx(residual_correlation(x, y, controls), abs=1e-9)
    index = np.random.default_rng(1).integers(0, 50, (60, 50))
    literal = [residual_correlation(x[i], y[i], [c[i] for c in controls]) for i in index]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(literal, [2.5, 97.5])))


def test_a_relation_through_a_third_measure_vanishes_when_that_is_held_fixed():
    rng = np.random.default_rng(6)
    z, a, b = rng.normal(size=(3, 2000))
    assert spearman(z + a, z + b, resamples=2).estimate > 0.4
    # Not exactly 0: ranks of a sum are not quite linear in the ranks of its parts.
    assert abs(partial_spearman(z + a, z + b, [z], resamples=2).estimate) < 0.06


def test_nothing_is_left_of_a_measure_that_the_control_determines():
    z = np.random.default_rng(7).normal(size=40)
    found = partial_spearman(np.exp(z), np.random.default_rng(8).normal(size=40), [z])
    assert np.isnan([found.estimate, found.low, found.high]).all()


def test_p_values_are_scipys():
    x, y = np.random.default_rng(9).normal(size=(2, 30))
    reference = stats.spearmanr(x, y)
    assert correlation_p(reference.statistic, 30) == pytest.approx(reference.pvalue, abs=1e-12)
    assert correlation_p([1.0, -1.0], 30).tolist() == [0.0, 0.0]
    with pytest.raises(InputError, match="too few"):
        correlation_p(0.1, 3, controls=1)
