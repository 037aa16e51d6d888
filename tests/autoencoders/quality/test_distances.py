from __future__ import annotations

import numpy as np
import pytest

from autoencoders.quality import relative_errors
from core.errors import InputError


def literal(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    flat = x.reshape(len(x), -1)
    found = np.full(len(x), np.nan)
    for i in range(len(x)):
        others = [j for j in range(len(x)) if j != i and labels[j] == labels[i]]
        if others:
            found[i] = min(np.linalg.norm(flat[i] - flat[j]) for j in others)
    return found


@pytest.mark.parametrize("batch_size", [1, 4, 256])
def test_errors_are_in_units_of_the_literal_distances(batch_size):
    generator = np.random.default_rng(0)
    x = 50 + generator.standard_normal((23, 3, 2, 2))
    labels = np.array([0] * 10 + [1] * 12 + [2])
    guess = x + 0.1 * generator.standard_normal(x.shape)
    found = relative_errors(x, guess, labels, batch_size=batch_size)
    error = np.linalg.norm((x - guess).reshape(23, -1), axis=1)
    np.testing.assert_allclose(found.error, error)
    np.testing.assert_allclose(found.norm, error / np.linalg.norm(x.reshape(23, -1), axis=1))
    np.testing.assert_allclose(found.same_class, error / literal(x, labels), rtol=1e-9)
    assert np.isnan(found.same_class[22])


def test_a_random_other_example_is_one_error_away_and_never_itself():
    x = np.arange(30.0).reshape(30, 1) * 1000
    found = relative_errors(x, x + 1, np.zeros(30, int))
    assert np.isfinite(found.random).all()
    assert (found.random <= 1e-3).all()
    again = relative_errors(x, x + 1, np.zeros(30, int), seed=1)
    assert not np.array_equal(found.random, again.random)


def test_one_example_alone_has_no_other():
    with pytest.raises(InputError, match="at least 2"):
        relative_errors(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(1, int))
