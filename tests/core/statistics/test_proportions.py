from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.errors import InputError
from core.statistics import clopper_pearson, wilson


@given(st.integers(1, 2000), st.data())
def test_each_bound_leaves_exactly_its_tail(trials, data):
    successes = data.draw(st.integers(0, trials))
    found = clopper_pearson(successes, trials, 0.95)
    if successes > 0:
        assert stats.binom.sf(successes - 1, trials, found.low) == pytest.approx(0.025, rel=1e-6)
    else:
        assert found.low == 0
    if successes < trials:
        assert stats.binom.cdf(successes, trials, found.high) == pytest.approx(0.025, rel=1e-6)
    else:
        assert found.high == 1


def test_a_one_sided_bound_spends_its_whole_tail():
    lower = clopper_pearson(90, 100, 0.999, side="lower")
    upper = clopper_pearson(90, 100, 0.999, side="upper")
    assert stats.binom.sf(89, 100, lower.low) == pytest.approx(0.001, rel=1e-9)
    assert stats.binom.cdf(90, 100, upper.high) == pytest.approx(0.001, rel=1e-9)
    assert (lower.high, upper.low) == (1, 0)


def test_all_and_none_have_their_closed_forms():
    assert clopper_pearson(100, 100, 0.999, "lower").low == pytest.approx(0.001**0.01, rel=1e-12)
    assert clopper_pearson(0, 100, 0.95).high == pytest.approx(1 - 0.025**0.01, rel=1e-12)


def test_it_is_scipys_and_vectorised():
    successes, trials = np.array([[0, 3], [10, 7]]), np.array([10, 20])
    found = clopper_pearson(successes, trials, 0.9)
    assert found.low.shape == (2, 2)
    for index in np.ndindex(2, 2):
        k, n = int(successes[index]), int(trials[index[1]])
        exact = stats.binomtest(k, n).proportion_ci(0.9, "exact")
        assert (found.low[index], found.high[index]) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(("successes", "trials"), [(3, 2), (-1, 5), (0, 0), (1.5, 3)])
def test_impossible_counts_are_refused(successes, trials):
    with pytest.raises(InputError, match="whole numbers"):
        clopper_pearson(successes, trials)


def test_it_covers_at_least_as_often_as_it_says_at_every_proportion():
    bounds = clopper_pearson(np.arange(41), 40, 0.95)
    for p in np.linspace(0.005, 0.995, 199):
        covered = stats.binom.pmf(np.arange(41), 40, p)[~bounds.excludes(p)].sum()
        assert covered >= 0.95


def test_wilsons_interval_is_scipys():
    for hits, of in ((0, 12), (12, 12), (3, 40), (499, 500)):
        reference = stats.binomtest(hits, of).proportion_ci(0.9, method="wilson")
        found = wilson(hits, of, level=0.9)
        assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_wilsons_interval_covers_about_as_often_as_it_says():
    k = np.arange(301)
    bounds = wilson(k, 300)
    covered = [
        stats.binom.pmf(k, 300, p)[~bounds.excludes(p)].sum() for p in np.linspace(0.02, 0.98, 97)
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.005)
    assert min(covered) > 0.93


def test_wilsons_interval_of_no_trial_is_not_a_number():
    found = wilson([0, 1], [0, 2])
    assert np.isnan([found.estimate[0], found.low[0], found.high[0]]).all()
    with pytest.raises(InputError, match="0 <= successes <= trials"):
        wilson(3, 2)
