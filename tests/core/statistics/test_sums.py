from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.statistics import bootstrap, bootstrap_sums


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_means_get_the_very_intervals_of_the_literal_bootstrap(method):
    values = np.random.default_rng(0).gamma(1.0, size=(40, 3))
    sums = bootstrap_sums(values, lambda s: s / 40, seed=5, resamples=300, method=method)
    rows = bootstrap(values, seed=5, resamples=300, method=method)
    for part in ("estimate", "low", "high"):
        np.testing.assert_allclose(getattr(sums, part), getattr(rows, part), rtol=1e-12)


def test_a_ratio_gets_the_interval_of_the_literal_bootstrap():
    values = np.random.default_rng(1).gamma(2.0, size=(30, 2))

    def ratio(samples, axis):
        return samples[..., 0].sum(-1) / samples[..., 1].sum(-1)

    sums = bootstrap_sums(values, lambda s: s[..., :1] / s[..., 1:], resamples=400)
    rows = bootstrap(values, ratio, resamples=400)
    assert (sums.low[0], sums.high[0]) == pytest.approx((rows.low, rows.high), rel=1e-12)


def test_blocks_of_resamples_change_nothing(monkeypatch):
    values = np.random.default_rng(2).normal(size=(25, 2))
    whole = bootstrap_sums(values, lambda s: s / 25, resamples=101)
    monkeypatch.setattr("core.statistics.sums._BLOCK", 60)
    parts = bootstrap_sums(values, lambda s: s / 25, resamples=101)
    np.testing.assert_allclose([whole.low, whole.high], [parts.low, parts.high], rtol=1e-12)


def test_resamples_without_a_value_are_left_out():
    values = np.zeros((10, 2))
    values[0] = 1.0  # drawn in 65 % of the resamples; 0 / 0 in the others
    found = bootstrap_sums(values, lambda s: s[..., :1] / s[..., 1:], resamples=200)
    assert (found.estimate[0], found.low[0], found.high[0]) == (1.0, 1.0, 1.0)


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="at least 2 examples"):
        bootstrap_sums(np.ones((1, 2)), lambda s: s)
    with pytest.raises(InputError, match="2-D"):
        bootstrap_sums(np.ones(5), lambda s: s)
    with pytest.raises(InputError, match="method"):
        bootstrap_sums(np.ones((5, 1)), lambda s: s, method="basic")  # type: ignore[arg-type]
