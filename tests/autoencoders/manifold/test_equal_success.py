"""The radius at which an attack succeeds as often as another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autoencoders.manifold.equal_success import ladder, smallest


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0, 1))
def test_the_smallest_radius_that_succeeds_often_enough_is_found_in_few_tries(shares, wanted):
    shares = sorted(shares)
    tried = []

    def success(radius):
        tried.append(radius)
        return shares[int(radius)]

    radius, reached = smallest(range(len(shares)), success, wanted)
    enough = [r for r, share in enumerate(shares) if share >= wanted]
    assert (radius, reached) == ((enough[0], True) if enough else (len(shares) - 1, False))
    assert len(tried) <= np.log2(len(shares)) + 2
    assert radius in tried


def test_the_ladder_rises_by_the_same_share_in_both_norms():
    for norm, factor in (("linf", 1), ("l2", 8)):
        radii = np.array(ladder(norm, 64))
        assert (np.abs(radii[1:] / radii[:-1] - 1.15) < 0.01).all()
        np.testing.assert_allclose(radii[[0, -1]], [0.0005 * factor, radii[-1]], rtol=1e-2)
        assert 0.5 * factor < radii[-1] <= 0.6 * factor
