from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.metrics import roc_auc_score

from core.errors import InputError
from core.statistics import auc, auc_difference, bootstrap
from core.statistics.discrimination import placements

grid = arrays(np.float64, st.integers(2, 12), elements=st.integers(-5, 5).map(float))
twins = arrays(np.float64, (8, 2), elements=st.integers(-5, 5).map(float))


def literal(positive: np.ndarray, negative: np.ndarray) -> float:
    difference = np.subtract.outer(positive, negative)
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


@given(grid, grid)
def test_it_counts_pairs_ties_as_half(positive, negative):
    found = auc(positive, negative)
    assert found.estimate == pytest.approx(literal(positive, negative), abs=1e-12)
    assert 0 <= found.low <= found.estimate + 1e-12
    assert found.estimate - 1e-12 <= found.high <= 1


def test_it_is_sklearns():
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(1, 1, 70).round(1), rng.normal(size=90).round(1)
    labels = np.repeat([1, 0], [70, 90])
    expected = roc_auc_score(labels, np.concatenate([positive, negative]))
    assert auc(positive, negative).estimate == pytest.approx(expected, abs=1e-12)


@given(twins, st.booleans())
def test_swapping_the_groups_mirrors_the_interval(rows, paired):
    a, b = rows.T
    forth, back = auc(a, b, paired=paired), auc(b, a, paired=paired)
    assert forth.estimate == pytest.approx(1 - back.estimate, abs=1e-12)
    assert forth.low == pytest.approx(1 - back.high, abs=1e-9)


@given(twins, st.booleans())
def test_increasing_maps_change_nothing(rows, paired):
    a, b = rows.T
    assert auc(a, b, paired=paired) == auc(np.exp(a / 3), np.exp(b / 3), paired=paired)


def test_the_variance_is_delongs_literal_one():
    rng = np.random.default_rng(1)
    positive, negative = rng.normal(0.7, 1, 15), rng.normal(size=21)
    wins = (positive[:, None] > negative).astype(float)
    expected = wins.mean(1).var(ddof=1) / 15 + wins.mean(0).var(ddof=1) / 21
    found = auc(positive, negative)
    theta = found.estimate
    half = (np.log(found.high / (1 - found.high)) - np.log(found.low / (1 - found.low))) / 2
    deviation = half / stats.t.ppf(0.975, 28) * theta * (1 - theta)
    assert deviation**2 == pytest.approx(expected, rel=1e-9)


def test_the_paired_variance_is_that_of_resampled_examples():
    rng = np.random.default_rng(2)
    shared = rng.normal(size=150)
    a, b = shared + 0.3 * rng.normal(size=150) + 0.3, shared + 0.3 * rng.normal(size=150)

    def of_rows(samples: np.ndarray, axis: int) -> np.ndarray:
        flat = samples.reshape(-1, 150, 2)
        found = np.array([placements(s[:, 0], s[:, 1])[0].mean() for s in flat])
        return found.reshape(samples.shape[:-2])

    paired, unpaired = auc(a, b, paired=True), auc(a, b)
    resampled = bootstrap(np.stack([a, b], 1), of_rows, method="percentile", resamples=1500)
    assert paired.high - paired.low == pytest.approx(resampled.high - resampled.low, rel=0.12)
    assert paired.high - paired.low < 0.5 * (unpaired.high - unpaired.low)


def test_with_a_cluster_for_each_value_the_variance_is_at_least_delongs():
    rng = np.random.default_rng(3)
    positive, negative = rng.normal(0.5, 1, 40), rng.normal(size=50)
    alone = auc(positive, negative)
    apart = auc(positive, negative, clusters=(list(range(40)), list(range(40, 90))))
    assert apart.estimate == alone.estimate
    assert alone.low - 0.01 < apart.low <= alone.low
    with pytest.raises(InputError, match="clusters"):
        auc(positive, negative, clusters=([1], [2]))


def test_values_of_one_origin_count_as_what_they_are():
    """Each origin of a negative serves four times; positives have origins of their own."""
    rng = np.random.default_rng(4)
    covered = np.zeros(2)
    repeats = 400
    for _ in range(repeats):
        own = rng.normal(size=75)
        place = np.repeat(np.arange(15), 4)
        positive = own[15:] + rng.normal(0, 0.3, 60)
        negative = own[place] + rng.normal(0, 0.3, 60)
        clustered = auc(positive, negative, clusters=(list(range(15, 75)), place.tolist()))
        covered += [not auc(positive, negative).excludes(0.5), not clustered.excludes(0.5)]
    without, with_clusters = covered / repeats
    assert without < 0.85
    assert with_clusters > 0.92


def test_perfect_separation_is_as_uncertain_as_its_number_of_examples():
    n = 20
    a, b = np.arange(n) + 100.0, np.arange(n) * 1.0
    found = auc(a, b)
    assert (found.estimate, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / n))
    assert auc(b, a).high == pytest.approx(1 - 0.025 ** (1 / n))
    assert auc(a, b, paired=True).low == pytest.approx(0.025 ** (2 / n))


def test_a_measure_that_never_varies_tells_nothing_apart():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = auc(np.ones(30), np.ones(40))
    assert found.estimate == 0.5
    assert found.low < 0.5 < found.high


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="positive: 1 of 2 values are not finite"):
        auc([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(InputError, match="at least 2"):
        auc([1.0], [1.0, 2.0])
    with pytest.raises(InputError, match="paired"):
        auc([1.0, 2.0], [1.0, 2.0, 3.0], paired=True)


def test_a_million_values_take_about_a_second():
    values = np.random.default_rng(3).normal(size=(2, 500_000))
    start = time.process_time()
    auc(*values)
    assert time.process_time() - start < 5


def draws(rng: np.random.Generator, n: int, d: float, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw normal groups d apart whose twins correlate by rho; true AUC Phi(d / sqrt 2)."""
    shared, e1, e2 = rng.normal(size=(3, n))
    a, b = np.sqrt(rho), np.sqrt(1 - rho)
    return a * shared + b * e1 + d, a * shared + b * e2


def coverage(n: int, d: float, rho: float, paired: bool, repetitions: int) -> float:
    rng = np.random.default_rng(4)
    true = stats.norm.cdf(d / np.sqrt(2))
    return float(
        np.mean(
            [
                not auc(*draws(rng, n, d, rho), paired=paired).excludes(true)
                for _ in range(repetitions)
            ]
        )
    )


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_covers_as_often_as_it_says(paired):
    assert 0.93 <= coverage(100, 1.0, 0.7 if paired else 0.0, paired, 400) <= 0.975


def test_delong_on_paired_data_is_miscalibrated_which_is_why_paired_exists():
    assert coverage(100, 0.5, 0.9, False, 300) > 0.99


def test_the_difference_of_two_aucs_is_that_of_their_estimates_with_the_bootstraps_error():
    rng = np.random.default_rng(0)
    first, shared = draws(rng, 200, 1.5, 0.5), rng.normal(size=200)
    second = first[0] + 0.5 * shared - 0.6, first[1] + rng.normal(size=200)
    found, p = auc_difference(first, second)
    assert found.estimate == pytest.approx(auc(*first).estimate - auc(*second).estimate)
    resampled = []
    for _ in range(400):
        i = rng.integers(0, 200, 200)
        areas = [placements(a[i], b[i])[0].mean() for a, b in (first, second)]
        resampled.append(areas[0] - areas[1])
    error = (found.high - found.low) / (2 * stats.t.isf(0.025, 199))
    assert error == pytest.approx(np.std(resampled), rel=0.15)
    assert p == pytest.approx(2 * stats.t.sf(abs(found.estimate) / error, 199))
    other, same_p = auc_difference(second, first)
    assert (other.estimate, same_p) == (-found.estimate, p)


def test_two_measures_that_are_equally_good_differ_as_rarely_as_they_should():
    rng = np.random.default_rng(1)
    rejected = []
    for _ in range(400):
        shared, one, two, three, four = rng.normal(size=(5, 60))
        found = auc_difference(
            (shared + one + 1, shared + two), (shared + three + 1, shared + four)
        )
        rejected.append(found[1] < 0.05)
    assert 0.02 <= np.mean(rejected) <= 0.08


def test_measures_that_order_everything_alike_do_not_differ():
    values = np.arange(10.0) % 4, np.arange(10.0) % 3
    found, p = auc_difference(values, (values[0] ** 3, values[1] ** 3))
    assert (found.estimate, found.low, found.high, p) == (0, 0, 0, 1)
    with pytest.raises(InputError, match="as many of both"):
        auc_difference(values, (values[0][1:], values[1][1:]))


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 200])
@pytest.mark.parametrize("d", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_coverage_over_many_repetitions(n, d, rho):
    assert 0.93 <= coverage(n, d, rho, rho > 0, 2000) <= 0.97
