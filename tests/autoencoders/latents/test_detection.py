"""A detector is worth something only beyond the confidence."""

from __future__ import annotations

import numpy as np
import pytest

from autoencoders.latents import detection
from core.errors import InputError

RNG = np.random.default_rng(0)
N = 150
GENUINE_LOG = RNG.normal(-4, 2, N)
OURS_LOG = RNG.normal(-2, 2, N)
BASE = np.exp(OURS_LOG), np.exp(GENUINE_LOG)


def literal_auc(ours: np.ndarray, genuine: np.ndarray) -> float:
    won = [(a > b) + (a == b) / 2 for a in ours for b in genuine]
    return float(np.mean(won))


def test_a_number_of_its_own_is_a_gain_and_tells_at_equal_confidence():
    ours, genuine = RNG.normal(2, 1, N), RNG.normal(0, 1, N)
    found = detection(ours, genuine, *BASE)
    assert found.n == N
    assert found.auc.estimate == pytest.approx(literal_auc(ours, genuine))
    assert found.gain.estimate == pytest.approx(literal_auc(ours, genuine) - literal_auc(*BASE))
    assert found.gain.low > 0
    assert found.gain_p < 1e-3
    assert found.matched.low > 0.8
    assert found.matched_n >= 20


def test_what_is_a_function_of_the_confidence_gains_nothing():
    found = detection(OURS_LOG**3, GENUINE_LOG**3, *BASE)
    assert found.auc.low > 0.5
    assert found.gain.estimate == 0
    assert found.gain_p == 1
    assert not found.matched.excludes(0.5)


def test_the_baseline_is_taken_in_its_better_direction():
    ours, genuine = RNG.normal(0, 1, N), RNG.normal(0, 1, N)
    confident = detection(ours, genuine, BASE[1], BASE[0])
    doubtful = detection(ours, genuine, *BASE)
    assert confident.gain.estimate == pytest.approx(doubtful.gain.estimate)
    assert confident.gain.high < 0


def test_groups_that_lie_apart_in_confidence_are_not_compared_at_equal_confidence():
    found = detection(OURS_LOG, GENUINE_LOG, np.full(N, 0.7), np.exp(GENUINE_LOG - 30))
    assert found.matched_n < 20
    assert np.isnan(found.matched.estimate)
    assert np.isnan(found.matched_p)


def test_few_pairs_make_no_claim():
    few = [x[:19] for x in (OURS_LOG, GENUINE_LOG, *BASE)]
    found = detection(*few)
    assert found.n == 19
    assert np.isnan(found.auc.estimate)
    assert np.isnan([found.p, found.gain_p, found.matched_p]).all()


def test_arrays_that_do_not_belong_together_are_refused():
    with pytest.raises(InputError, match="one length"):
        detection(OURS_LOG[1:], GENUINE_LOG, *BASE)
    with pytest.raises(InputError, match="uncertainty"):
        detection(OURS_LOG, GENUINE_LOG, -BASE[0], BASE[1])
