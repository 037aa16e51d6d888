from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from core.errors import InputError
from core.statistics import geometric_mean_ratio, ratio_of_means, ratio_of_medians

RATIOS = [geometric_mean_ratio, ratio_of_means, ratio_of_medians]
positive = arrays(np.float64, 8, elements=st.floats(0.1, 10))


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_common_factor_is_found_exactly(ratio):
    b = np.random.default_rng(0).lognormal(size=50)
    found = ratio(3 * b, b)
    assert (found.estimate, found.low, found.high) == pytest.approx((3, 3, 3), rel=1e-12)


@given(positive, positive)
def test_swapping_the_groups_inverts_the_geometric_ratio(a, b):
    forth, back = (geometric_mean_ratio(*x, resamples=20) for x in ((a, b), (b, a)))
    assert forth.estimate * back.estimate == pytest.approx(1)


def test_the_geometric_mean_ratio_is_scipys_gmean_of_ratios():
    rng = np.random.default_rng(1)
    a, b = rng.lognormal(1, size=30), rng.lognormal(size=30)
    assert geometric_mean_ratio(a, b).estimate == pytest.approx(stats.gmean(a / b), rel=1e-12)


def test_zeros_and_negatives_are_refused_by_the_geometric_mean_and_allowed_by_the_others():
    a, b = np.array([0.0, 4.0, -1.0, 5.0]), np.array([1.0, 2.0, 1.5, 1.5])
    with pytest.raises(InputError, match=r"a: 2 of 4 values are not positive.*ratio_of_means"):
        geometric_mean_ratio(a, b)
    assert ratio_of_means(a, b).estimate == pytest.approx(8 / 6)
    assert ratio_of_medians(a, b).estimate == pytest.approx(2 / 1.5)


@pytest.mark.parametrize("ratio", [ratio_of_means, ratio_of_medians])
def test_a_denominator_that_may_be_zero_determines_no_ratio(ratio):
    b = np.random.default_rng(2).normal(size=40)
    found = ratio(b + 10, b)
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert np.isnan(ratio(np.ones(4), np.zeros(4)).estimate)


def test_a_few_large_examples_move_the_means_and_not_the_medians():
    b = np.random.default_rng(3).lognormal(size=101)
    a = b.copy()
    a[b > np.quantile(b, 0.95)] *= 1000
    assert ratio_of_means(a, b).estimate > 50
    assert ratio_of_medians(a, b).estimate == 1


def test_pairing_makes_the_interval_narrow():
    rng = np.random.default_rng(4)
    b = rng.lognormal(0, 2, size=200)
    a = 2 * b * rng.lognormal(0, 0.1, size=200)
    found = geometric_mean_ratio(a, b)
    assert 1.9 < found.low < 2 < found.high < 2.1
    assert geometric_mean_ratio(rng.permutation(a), b).high > 2.5


def test_unequal_lengths_are_refused():
    with pytest.raises(InputError, match="hold 2 and 3 values"):
        ratio_of_means([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [geometric_mean_ratio, ratio_of_means])
def test_ratio_intervals_cover_as_often_as_they_say(ratio):
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1000):
        b = rng.lognormal(0, 0.5, size=100)
        covered += not ratio(2 * b * rng.lognormal(-0.045, 0.3, size=100), b).excludes(
            2 * np.exp(-0.045) if ratio is geometric_mean_ratio else 2.0
        )
    assert 930 <= covered <= 970
