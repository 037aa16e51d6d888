from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from scipy import stats

from core.errors import InputError
from core.statistics import Interval, bootstrap


def coverage(draw, true: float, repetitions: int, **options) -> float:
    """Return the share of repetitions whose interval holds the true value."""
    intervals = (bootstrap(draw(), **options) for _ in range(repetitions))
    return float(np.mean([not i.excludes(true) for i in intervals]))


def test_a_bca_interval_of_the_mean_is_close_to_the_t_interval_of_normal_data():
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = bootstrap(values, resamples=9999)
    low, high = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
    assert found.estimate == pytest.approx(values.mean(), rel=1e-15)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


def test_the_percentile_interval_is_the_literal_one():
    values = np.random.default_rng(1).exponential(size=30)
    found = bootstrap(values, np.median, seed=7, resamples=500, method="percentile", level=0.9)
    index = np.random.default_rng(7).integers(0, 30, (500, 30))
    literal = np.percentile([np.median(values[row]) for row in index], [5, 95])
    assert (found.low, found.high) == pytest.approx(tuple(literal), abs=1e-12)


def test_rows_are_resampled_whole():
    x = np.random.default_rng(2).normal(size=40)
    pairs = np.stack([x, x + 1], axis=1)
    shift = bootstrap(pairs, lambda s, axis: np.diff(s.mean(axis=axis), axis=-1)[..., 0])
    assert (shift.low, shift.high) == pytest.approx((1, 1), abs=1e-12)


def test_columns_get_the_intervals_they_would_get_alone():
    values = np.random.default_rng(3).normal(size=(25, 4)) ** 2
    together = bootstrap(values, seed=5)
    assert together.low.shape == (4,)
    for k in range(4):
        alone = bootstrap(values[:, k], seed=5)
        assert together[k].low == pytest.approx(alone.low, rel=1e-12)
        assert together[k].high == pytest.approx(alone.high, rel=1e-12)


def test_the_seed_decides_and_the_global_state_is_left_alone():
    values = np.random.default_rng(4).normal(size=20)
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)
    assert (np.random.get_state()[1] == state).all()


def test_blocks_of_resamples_change_nothing(monkeypatch):
    values = np.random.default_rng(5).normal(size=(30, 2))
    whole = bootstrap(values)
    monkeypatch.setattr("core.statistics.intervals._BLOCK", 600)
    assert np.array_equal(bootstrap(values).low, whole.low)


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_constant_values_have_a_constant_interval_without_a_warning(statistic):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = bootstrap(np.full(9, 3.0), statistic)
    assert (found.estimate, found.low, found.high) == (3, 3, 3)


def test_one_constant_column_does_not_spoil_its_neighbour():
    values = np.stack([np.zeros(20), np.arange(20.0)], axis=1)
    found = bootstrap(values)
    assert (found[0].low, found[0].high) == (0, 0)
    assert found[1].low < 9.5 < found[1].high


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_number(bad):
    with pytest.raises(InputError, match="1 of 3 values are not finite"):
        bootstrap([1.0, bad, 2.0])


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="at least 2 examples"):
        bootstrap([1.0])
    with pytest.raises(InputError, match="level"):
        bootstrap([1.0, 2.0], level=95)
    with pytest.raises(InputError, match="method"):
        bootstrap([1.0, 2.0], method="basic")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="shape"):
        bootstrap(np.ones((2, 2, 2)))


def test_an_interval_of_scalars_can_be_written_as_json():
    found = bootstrap(np.arange(5.0))
    assert json.loads(json.dumps(found.__dict__))["estimate"] == 2.0


def test_transform_keeps_the_order_of_the_ends():
    found = Interval(0.0, -1.0, 2.0, 0.9).transform(np.exp)
    assert (found.estimate, found.low, found.high) == pytest.approx((1, np.exp(-1), np.exp(2)))
    assert found.level == 0.9


@pytest.mark.parametrize(("draw", "true"), [("normal", 0.0), ("exponential", 1.0)])
def test_the_interval_of_the_mean_covers_as_often_as_it_says(draw, true):
    rng = np.random.default_rng(6)
    covered = coverage(lambda: getattr(rng, draw)(size=60), true, 200, resamples=600)
    assert 0.90 <= covered <= 0.985


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "true"), [("normal", 0.0), ("exponential", 1.0)])
def test_coverage_of_the_mean_over_a_thousand_repetitions(draw, true):
    rng = np.random.default_rng(7)
    covered = coverage(lambda: getattr(rng, draw)(size=100), true, 1000)
    assert 0.93 <= covered <= 0.97
