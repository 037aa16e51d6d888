"""Use of codes, and what posteriors do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoencoders.quality import code_use, posterior
from core.errors import InputError


@given(st.lists(st.integers(0, 7), min_size=1, max_size=60), st.integers(1, 9))
def test_codes_are_counted_over_the_whole_set_whatever_the_batches(codes, size):
    batches = [np.array(codes[i : i + size]) for i in range(0, len(codes), size)]
    found = code_use(batches, 8)
    assert found.counts.tolist() == [codes.count(k) for k in range(8)]
    assert found.used == len(set(codes)) / 8
    assert 1 <= found.perplexity <= len(set(codes)) + 1e-9


def test_even_use_has_the_perplexity_of_its_codes():
    assert code_use([np.arange(6)], 12).perplexity == pytest.approx(6)


def test_a_posterior_that_matches_the_prior_in_the_aggregate_is_told_from_one_that_collapsed():
    generator = np.random.default_rng(0)
    means = 0.9 * generator.standard_normal((20_000, 3))
    useful = posterior(means, np.full(means.shape, np.log(1 - 0.81)))
    assert useful.active.all()
    assert not useful.collapsed
    np.testing.assert_allclose(useful.variance, 1, atol=0.03)
    assert (useful.aggregate_divergence < 1e-3).all()
    expected = (0.81 + 0.19 - 1 - np.log(0.19)) / 2
    np.testing.assert_allclose(useful.divergence, expected, atol=0.02)
    asleep = posterior(1e-3 * means, np.zeros(means.shape))
    assert asleep.collapsed
    with pytest.raises(InputError, match="posterior"):
        posterior(means[:1], means[:1])
