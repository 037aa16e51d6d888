from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoencoders.quality import explained_variance
from core.errors import InputError


def rows(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return 100 + generator.standard_normal((n, 5, 3, 3)), generator.integers(0, 3, n)


def of(x: np.ndarray, guess: np.ndarray, labels: np.ndarray, mean: np.ndarray, size: int = 7):
    parts = (slice(i, i + size) for i in range(0, len(x), size))
    return explained_variance(((x[p], guess[p], labels[p]) for p in parts), mean, 4)


def test_predicting_the_mean_explains_nothing_and_the_truth_everything():
    x, labels = rows()
    mean = x.mean(0)
    assert of(x, np.broadcast_to(mean, x.shape), labels, mean).overall == pytest.approx(
        0, abs=1e-12
    )
    exact = of(x, x, labels, mean)
    assert exact.overall == 1
    np.testing.assert_array_equal(exact.channels, 1)
    assert np.isnan(exact.classes[3])
    np.testing.assert_array_equal(exact.classes[:3], 1)


def test_a_shifted_truth_explains_less_than_nothing():
    x, labels = rows()
    assert of(x, x + 10, labels, x.mean(0)).overall < -50


@given(st.integers(1, 50), st.integers(0, 5))
def test_it_is_the_literal_ratio_of_all_sums_whatever_the_batches(size, seed):
    x, labels = rows(seed=seed)
    guess = x + 0.3 * np.random.default_rng(seed + 1).standard_normal(x.shape)
    mean = x.mean(0) + 0.01
    found = of(x, guess, labels, mean, size)
    assert found.overall == pytest.approx(1 - ((x - guess) ** 2).sum() / ((x - mean) ** 2).sum())
    for c in range(5):
        left, whole = (x[:, c] - guess[:, c]) ** 2, (x[:, c] - mean[c]) ** 2
        assert found.channels[c] == pytest.approx(1 - left.sum() / whole.sum())
    for k in range(3):
        own = labels == k
        left, whole = (x[own] - guess[own]) ** 2, (x[own] - mean) ** 2
        assert found.classes[k] == pytest.approx(1 - left.sum() / whole.sum())


def test_what_does_not_fit_or_is_not_finite_is_refused():
    x, labels = rows(4)
    with pytest.raises(InputError, match="of one shape"):
        of(x, x[:, :4], labels, x.mean(0))
    x[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        of(x, x, labels, np.zeros((5, 3, 3)))
