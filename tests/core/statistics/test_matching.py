from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from core.errors import InputError
from core.statistics import (
    auc,
    default_caliper,
    geometric_mean_ratio,
    match,
    matched_auc,
    matched_ratio,
    matching_balance,
    paired_test,
    ratio_of_means,
    ratio_of_medians,
    unpaired_test,
)

small = arrays(np.float64, st.integers(1, 5), elements=st.integers(0, 12).map(float))


def brute_force(a, b, caliper, banned=frozenset()) -> tuple[int, float]:
    """Try every matching: the most pairs, then the least distance."""
    best = (0, 0.0)
    for count in range(1, min(len(a), len(b)) + 1):
        for rows in itertools.combinations(range(len(a)), count):
            for columns in itertools.permutations(range(len(b)), count):
                chosen = list(zip(rows, columns, strict=True))
                distances = [abs(a[i] - b[j]) for i, j in chosen]
                if max(distances) <= caliper and not banned & set(chosen):
                    best = max(best, (count, -sum(distances)))
    return best[0], -best[1]


@settings(deadline=None, max_examples=60)
@given(small, small, st.integers(0, 6), st.booleans())
def test_it_keeps_the_most_pairs_at_the_least_distance(a, b, caliper, without_twins):
    twins = [(i, i) for i in range(min(len(a), len(b)))] if without_twins else []
    i, j = match(a, b, caliper, forbid=np.array(twins).reshape(-1, 2) if twins else None)
    found = (len(i), float(np.abs(a[i] - b[j]).sum()))
    assert found == pytest.approx(brute_force(a, b, caliper, frozenset(twins)))
    assert len(set(i.tolist())) == len(i)
    assert len(set(j.tolist())) == len(j)
    assert not set(twins) & set(zip(i.tolist(), j.tolist(), strict=True))


def test_it_agrees_with_the_dense_assignment_on_many_examples():
    rng = np.random.default_rng(0)
    a, b, caliper = rng.normal(0, 1, 150), rng.normal(-1, 2, 200), 0.05
    distance = np.abs(np.subtract.outer(a, b))
    cost = np.where(distance <= caliper, distance, 1e4)
    rows, columns = linear_sum_assignment(cost)
    kept = cost[rows, columns] < 1e4
    i, j = match(a, b, caliper)
    assert len(i) == kept.sum()
    assert np.abs(a[i] - b[j]).sum() == pytest.approx(cost[rows, columns][kept].sum())


def test_the_order_of_the_examples_does_not_matter():
    rng = np.random.default_rng(1)
    a, b, order = rng.normal(size=80), rng.normal(1, 1, 80), rng.permutation(80)
    i, j = match(a, b)
    k, m = match(a[order], b)
    assert np.array_equal(order[k], i)
    assert np.array_equal(m, j)


def test_a_caliper_of_zero_pairs_equal_values_only():
    i, j = match([1.0, 2.0, 2.0], [2.0, 3.0, 1.0], 0.0)
    assert sorted(zip(i.tolist(), j.tolist(), strict=True)) in ([(0, 2), (1, 0)], [(0, 2), (2, 0)])


def test_groups_that_lie_apart_are_not_matched_and_said_so():
    i, j = match(np.arange(50.0), np.arange(50.0) + 1000)
    balance = matching_balance(np.arange(50.0), np.arange(50.0) + 1000, i, j)
    assert len(i) == balance.n == 0
    assert not balance.enough
    assert str(balance).startswith("no overlap: 0 of 50")
    undefined = matched_auc(np.arange(50.0), np.arange(50.0), i, j)
    assert np.isnan(undefined.estimate)
    assert not undefined.excludes(0.5)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="caliper"):
        match([1.0], [1.0], -1)
    with pytest.raises(InputError, match="covariate_a: 1 of 2"):
        match([1.0, -np.inf], [1.0])
    with pytest.raises(InputError, match="outside the groups of 1 and 1"):
        match([1.0], [1.0], 1, forbid=[[0, 1]])
    with pytest.raises(InputError, match="candidate pairs"):
        match(np.zeros(5000), np.zeros(5000), 1.0)


def test_balance_is_its_definitions():
    a, b = np.array([0.0, 2.0, 4.0, 9.0]), np.array([0.0, 2.0, 4.0, 5.0])
    balance = matching_balance(a, b, [0, 1, 2], [0, 1, 2], minimum=3)
    spread = np.sqrt((a.var() + b.var()) / 2)
    assert balance.difference_before == pytest.approx((a.mean() - b.mean()) / spread)
    assert (balance.difference_after, balance.distance_after, balance.auc_after) == (0, 0, 0.5)
    assert balance.distance_before == 0.25
    assert balance.auc_before == pytest.approx(auc(a, b).estimate)
    assert (balance.n, balance.of, balance.enough) == (3, 4, True)


def test_two_thousand_a_side_take_a_moment():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=2000), rng.normal(-1, 2, 2000)
    start = time.process_time()
    match(a, b)
    assert time.process_time() - start < 5


def log_losses(rng: np.random.Generator, kind: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw log losses of an adversarial and of a genuine group; the genuine is more confident."""
    if kind == "apart":
        return rng.normal(0, 1, n), rng.normal(-3, 1.5, n)
    if kind == "close":
        return rng.normal(0, 1, n), rng.normal(-0.5, 1, n)
    return np.log(3 * rng.exponential(size=n)), np.log(rng.gamma(0.2, size=n))


def curvature(log_loss: np.ndarray) -> np.ndarray:
    """p (1 - p): what the Hessian of a linear softmax model is made of; falls at both ends."""
    p = np.exp(-np.exp(log_loss))
    return p * (1 - p)


MEASURES = {"increasing": np.exp, "curvature": curvature}


def share_covering(kind: str, n: int, measure, repetitions: int, noise: float = 0.0) -> float:
    rng = np.random.default_rng(3)
    covering, pairs = [], []
    for _ in range(repetitions):
        a, b = log_losses(rng, kind, n)
        of_a, of_b = (measure(x) + noise * rng.normal(size=n) for x in (a, b))
        i, j = match(a, b)
        pairs.append(len(i))
        covering.append(not matched_auc(of_a, of_b, i, j).excludes(0.5))
    assert np.median(pairs) >= 20
    return float(np.mean(covering))


@pytest.mark.parametrize("kind", ["apart", "close", "skew"])
@pytest.mark.parametrize("measure", MEASURES)
def test_a_function_of_the_loss_alone_is_not_seen_among_the_matched(kind, measure):
    assert share_covering(kind, 300, MEASURES[measure], 60) >= 0.93


def test_the_usual_caliper_would_have_let_it_through():
    rng = np.random.default_rng(4)
    a, b = log_losses(rng, "skew", 1000)
    wide = match(a, b, 0.2 * np.sqrt((a.var() + b.var()) / 2))
    assert matched_auc(a, b, *wide).low > 0.55
    assert default_caliper(a, b) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["apart", "close", "skew"])
@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("measure", MEASURES)
def test_matched_coverage_over_many_repetitions(kind, n, noise, measure):
    assert share_covering(kind, n, MEASURES[measure], 1000 if n == 200 else 300, noise) >= 0.93


def test_a_planted_difference_is_found_among_the_matched():
    rng = np.random.default_rng(5)
    a, b = log_losses(rng, "apart", 500)
    of_a, of_b = (np.exp(rng.normal(shift, 1, 500)) * curvature(x) for shift, x in ((3, a), (0, b)))
    i, j = match(a, b)
    found = matched_auc(of_a, of_b, i, j)
    assert found.estimate >= 0.9
    assert found.low > 0.8


def test_the_matched_interval_is_never_narrower_than_delongs():
    rng = np.random.default_rng(6)
    a = rng.normal(size=200)
    b = a + 0.01 * rng.normal(size=200)
    i, j = match(a, b)
    matched, independent = matched_auc(a, b, i, j), auc(a[i], b[j])
    assert matched.high - matched.low >= 0.99 * (independent.high - independent.low)


def test_dependence_between_versions_of_an_example_widens_the_interval():
    rng = np.random.default_rng(7)
    loss_a, loss_b, common = rng.normal(size=(3, 400))
    i, j = match(loss_a, loss_b, forbid=np.stack([np.arange(400)] * 2, axis=1))
    alone, shared = (
        matched_auc(common, -common, i, j, same_examples=same) for same in (False, True)
    )
    assert shared.high - shared.low > 1.2 * (alone.high - alone.low)


def test_the_interval_covers_where_versions_of_an_example_depend_on_each_other():
    rng = np.random.default_rng(8)
    covering: dict[bool, list[bool]] = {True: [], False: []}
    for _ in range(150):
        loss_a, loss_b, common = rng.normal(size=(3, 150))
        i, j = match(loss_a, loss_b)
        for same, found in covering.items():
            estimate = matched_auc(common, -common, i, j, same_examples=same)
            found.append(not estimate.excludes(0.5))
    assert np.mean(covering[True]) >= 0.92
    assert np.mean(covering[False]) < 0.92


def test_groups_are_compared_without_the_false_alarms_of_pairs():
    rng = np.random.default_rng(9)
    alarms = np.zeros((80, 3))
    for alarm in alarms:
        a, b = log_losses(rng, "close", 300)
        i, j = match(a, b)
        ratio = matched_ratio(np.exp(a), np.exp(b), i, j, resamples=200)
        alarm[:] = paired_test(a[i], b[j]).p < 0.05, unpaired_test(a[i], b[j]).p < 0.05, False
        alarm[2] = ratio.excludes(1.0)
    paired, unpaired, ratio_share = alarms.mean(0)
    assert paired > 0.1
    assert unpaired <= 0.05
    assert ratio_share <= 0.05


@pytest.mark.parametrize("ratio", [geometric_mean_ratio, ratio_of_means, ratio_of_medians])
def test_a_matched_ratio_is_the_ratio_of_the_matched(ratio):
    rng = np.random.default_rng(10)
    a, b = rng.normal(size=(2, 100))
    i, j = match(a, b)
    found = matched_ratio(3 * np.exp(a), np.exp(b), i, j, ratio=ratio)
    direct = ratio(3 * np.exp(a[i]), np.exp(b[j]))
    assert found.estimate == pytest.approx(direct.estimate)
    assert found.low < 3 < found.high
    assert found.high - found.low > 3 * (direct.high - direct.low)
    assert np.isnan(matched_ratio(a, b, [], [], ratio=ratio).low)
