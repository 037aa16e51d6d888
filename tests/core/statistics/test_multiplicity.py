from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.errors import InputError
from core.statistics import holm

probabilities = arrays(np.float64, st.integers(0, 12), elements=st.floats(0, 1))


def test_holms_own_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(probabilities)
def test_adjusted_values_are_never_below_the_raw_and_keep_their_order(p):
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


@given(probabilities, st.floats(0.001, 0.999))
def test_rejections_are_those_of_the_step_down_procedure(p, alpha):
    rejected = set()
    for step, index in enumerate(np.argsort(p, kind="stable")):
        if p[index] * (len(p) - step) > alpha:
            break
        rejected.add(int(index))
    assert set(np.flatnonzero(holm(p) <= alpha).tolist()) == rejected


def test_nan_stays_and_does_not_count():
    adjusted = holm([[0.01, np.nan], [0.04, np.nan]])
    assert adjusted[:, 0] == pytest.approx([0.02, 0.04])
    assert np.isnan(adjusted[:, 1]).all()


def test_what_is_not_a_probability_is_refused():
    with pytest.raises(InputError, match="between 0 and 1"):
        holm([0.5, 1.2])


def test_the_family_is_rarely_wrong_at_all():
    rng = np.random.default_rng(0)
    wrong = np.mean([(holm(rng.random(10)) <= 0.05).any() for _ in range(4000)])
    assert 0.035 < wrong < 0.06
