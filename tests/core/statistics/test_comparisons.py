from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from core.statistics import auc, paired_test, sign_flip_test, unpaired_test

whole = arrays(np.float64, st.integers(1, 9), elements=st.integers(-4, 4).map(float))


def literal_signed_rank(difference: np.ndarray) -> float:
    """Count every assignment of signs, one after the other."""
    moved = difference[difference != 0]
    if not len(moved):
        return 1.0
    ranks = stats.rankdata(np.abs(moved))
    centre = ranks.sum() / 2
    sums = [np.dot(s, ranks) for s in itertools.product([0, 1], repeat=len(moved))]
    extreme = np.abs(np.array(sums) - centre) >= abs(ranks[moved > 0].sum() - centre) - 1e-9
    return float(extreme.mean())


@settings(deadline=None)
@given(whole)
def test_the_exact_p_counts_all_signs_ties_and_zeros_included(difference):
    found = paired_test(difference, np.zeros(len(difference)))
    assert found.p == pytest.approx(literal_signed_rank(difference), abs=1e-12)


@pytest.mark.parametrize("n", [5, 20, 200])
def test_the_exact_p_without_ties_is_scipys(n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.3, 1, n), rng.normal(size=n)
    expected = stats.wilcoxon(a, b, method="exact").pvalue
    assert paired_test(a, b).p == pytest.approx(expected, rel=1e-10)


def test_many_pairs_take_the_normal_approximation_which_joins_the_exact_one():
    rng = np.random.default_rng(0)
    d = rng.normal(0.15, 1, 201)
    approximate, exact = paired_test(d, 0 * d).p, stats.wilcoxon(d, method="exact").pvalue
    assert approximate == pytest.approx(exact, rel=0.03)
    tiny = paired_test(rng.normal(3, 1, 500), np.zeros(500)).p
    assert 0 < tiny < 1e-60


def test_no_difference_anywhere_is_p_one():
    found = paired_test([1.0, 2.0], [1.0, 2.0])
    assert (found.p, found.n, found.n_zero, found.n_positive) == (1, 2, 2, 0)
    assert (found.rank_biserial, found.cohens_d) == (0, 0)


def test_zeros_are_counted_but_not_ranked():
    found = paired_test([1.0, 2.0, 3.0, 0, 0], [0.0, 0, 0, 0, 0])
    assert (found.n, found.n_zero, found.n_positive) == (5, 2, 3)
    assert found.p == 0.25
    assert found.rank_biserial == 1


def test_effect_sizes_are_their_definitions():
    a, b = np.array([3.0, 1.0, 4.0, 1.5]), np.array([1.0, 2.0, 0.0, 1.0])
    d = a - b  # 2, -1, 4, 0.5: ranks 3, 2, 4, 1
    found = paired_test(a, b)
    assert found.rank_biserial == pytest.approx((8 - 2) / 10)
    assert found.cohens_d == pytest.approx(d.mean() / d.std(ddof=1))
    assert paired_test([2.0, 3.0], [1.0, 2.0]).cohens_d == np.inf


@given(whole)
def test_swapping_the_groups_keeps_p_and_turns_the_effect(difference):
    zero = np.zeros(len(difference))
    forth, back = paired_test(difference, zero), paired_test(zero, difference)
    assert forth.p == back.p
    assert forth.rank_biserial == -back.rank_biserial


def test_p_is_uniform_when_nothing_differs():
    rng = np.random.default_rng(1)
    p = [paired_test(*rng.normal(size=(2, 80))).p for _ in range(800)]
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_the_sign_flip_test_is_exact_for_few_pairs():
    d = np.array([1.0, 2.5, -0.5, 4.0, 0.25, 3.0])
    sums = np.array([np.dot(s, d) for s in itertools.product([-1, 1], repeat=6)])
    exact = np.mean(np.abs(sums) >= d.sum() - 1e-12)
    assert sign_flip_test(d, 0 * d) == pytest.approx(exact)


def test_the_sign_flip_test_agrees_with_the_t_test_on_normal_data():
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.25, 1, 100), rng.normal(size=100)
    assert sign_flip_test(a, b) == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.01)
    assert sign_flip_test(a, a) == 1


def test_the_unpaired_test_is_scipys_and_its_effect_is_the_auc():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.5, 1, 30), rng.normal(size=40)
    found = unpaired_test(a, b)
    assert found.p == stats.mannwhitneyu(a, b).pvalue
    assert found.superiority == pytest.approx(auc(a, b).estimate)
    assert found.rank_biserial == pytest.approx(2 * found.superiority - 1)
    assert (found.n_a, found.n_b) == (30, 40)


def test_equal_values_everywhere_are_no_evidence():
    found = unpaired_test(np.ones(5), np.ones(7))
    assert (found.p, found.superiority) == (1, 0.5)
