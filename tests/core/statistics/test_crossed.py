"""The interval of a mean over trainings and examples covers, whichever of the two differ most."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.errors import InputError
from core.statistics import crossed_mean


def test_where_only_trainings_differ_it_is_students_interval_of_their_means() -> None:
    means = np.array([0.3, -0.1, 0.9, 0.2])
    found = crossed_mean(np.repeat(means[:, None], 50, axis=1))
    error = stats.sem(means)
    expected = stats.t.interval(0.95, 3, means.mean(), error)
    assert found.degrees == pytest.approx(3)
    assert (found.interval.low, found.interval.high) == pytest.approx(expected)
    assert found.p == pytest.approx(stats.ttest_1samp(means, 0).pvalue)


def test_where_only_examples_differ_it_is_students_interval_of_their_means() -> None:
    values = np.random.default_rng(0).normal(0.2, 1, 40)
    found = crossed_mean(np.tile(values, (3, 1)))
    expected = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert (found.interval.low, found.interval.high) == pytest.approx(expected)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


@pytest.mark.parametrize("spread", [(0, 0, 1), (0.1, 0, 1), (1, 0, 1), (0, 1, 1), (0.1, 1, 1)])
def test_it_covers_the_truth_at_least_as_often_as_it_says(spread: tuple) -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(1000):
        of_rows, of_columns, rest = (
            scale * rng.standard_normal(shape)
            for scale, shape in zip(spread, ((3, 1), (1, 60), (3, 60)), strict=True)
        )
        covered.append(not crossed_mean(of_rows + of_columns + rest).interval.excludes(0.0))
    assert np.mean(covered) > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1000)


def test_a_table_without_spread_is_exact() -> None:
    assert crossed_mean(np.zeros((3, 5))).p == 1
    found = crossed_mean(np.ones((3, 5)))
    assert (found.p, found.interval.low, found.interval.high) == (0, 1, 1)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_training_or_one_example_is_refused(shape: tuple) -> None:
    with pytest.raises(InputError, match="at least 2 trainings and 2 examples"):
        crossed_mean(np.ones(shape))
