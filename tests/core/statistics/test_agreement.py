from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score, jaccard_score

from core.errors import InputError
from core.statistics import cohen_kappa, expected_jaccard, jaccard, mcnemar
from core.statistics.agreement import mcnemar_p

ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


def test_mcnemar_is_the_binomial_test_for_every_split_of_few_discordant_examples():
    a, b = (x.ravel() for x in np.meshgrid(np.arange(25), np.arange(25)))
    reference = [
        stats.binomtest(int(i), int(i + j)).pvalue if i + j else 1.0
        for i, j in zip(a, b, strict=True)
    ]
    assert np.abs(mcnemar_p(a, b) - reference).max() <= 1e-12


@pytest.mark.parametrize(("a", "b"), [(480, 520), (1000, 1100), (0, 3000), (49_000, 50_000)])
def test_mcnemar_is_the_binomial_test_for_many_discordant_examples(a, b):
    assert mcnemar_p(a, b) == pytest.approx(stats.binomtest(a, a + b).pvalue, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(ANSWERS)
def test_agreement_is_sklearns_and_mcnemar_counts_who_differs(rows):
    a, b = np.array(rows).T
    if (a | b).any():
        assert jaccard(a, b) == pytest.approx(jaccard_score(a, b), abs=1e-12)
    else:
        assert np.isnan(jaccard(a, b))
    if (a == a[0]).all() and (b == a[0]).all():
        assert np.isnan(cohen_kappa(a, b))
    else:
        assert cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b), abs=1e-12)
    found = mcnemar(a, b)
    assert found.only_first == sum(x and not y for x, y in rows)
    assert found.only_second == sum(y and not x for x, y in rows)


@settings(deadline=None, max_examples=50)
@given(ANSWERS, st.randoms(use_true_random=False))
def test_agreement_is_symmetric_and_blind_to_the_order_of_the_examples(rows, random):
    shuffled = random.sample(rows, len(rows))
    a, b = np.array(rows).T
    c, d = np.array(shuffled).T
    for statistic in (jaccard, cohen_kappa):
        np.testing.assert_equal(statistic(a, b), statistic(b, a))
        np.testing.assert_equal(statistic(a, b), statistic(c, d))
    assert mcnemar(a, b).p == mcnemar(b, a).p == mcnemar(c, d).p


@settings(deadline=None, max_examples=50)
@given(ANSWERS)
def test_kappa_does_not_care_which_answer_is_called_yes(rows):
    a, b = np.array(rows).T
    np.testing.assert_allclose(cohen_kappa(a, b), cohen_kappa(~a, ~b), atol=1e-12)


def test_hand_computed():
    a, b = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0, 0, 0]
    assert jaccard(a, b) == 2 / 4
    # 8 of 10 agree; by chance 0.09 + 0.49 = 0.58.
    assert cohen_kappa(a, b) == pytest.approx((0.8 - 0.58) / 0.42)
    assert (mcnemar(a, b).p, mcnemar(a, b).odds) == (1.0, 1.0)
    assert np.isnan(mcnemar(a, a).odds)


@pytest.mark.parametrize(("a", "b", "n"), [(2, 3, 6), (0, 3, 6), (6, 2, 6), (1, 1, 5), (4, 4, 6)])
def test_the_expected_overlap_is_the_mean_over_all_sets_of_that_size(a, b, n):
    first = set(range(a))
    every = [len(first & set(s)) / len(first | set(s)) for s in combinations(range(n), b)]
    assert expected_jaccard(a, b, n) == pytest.approx(np.mean(every), abs=1e-12)


def test_expected_overlaps_of_several_sizes_at_once():
    found = expected_jaccard([2, 0, 4], [3, 0, 4], 6)
    assert found[[0, 2]] == pytest.approx(
        [float(expected_jaccard(2, 3, 6)), float(expected_jaccard(4, 4, 6))]
    )
    assert np.isnan(found[1])


def test_answers_other_than_yes_and_no_are_refused():
    with pytest.raises(InputError, match="second: expected yes and no"):
        jaccard([0, 1], [0, 2])
    with pytest.raises(InputError, match="first and second are paired"):
        mcnemar([0, 1], [0])
    with pytest.raises(InputError, match="none negative"):
        mcnemar_p(-1, 2)
    with pytest.raises(InputError, match="between 0 and the number"):
        expected_jaccard(3, 1, 2)
