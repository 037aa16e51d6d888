from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.representations import moments


@given(st.integers(1, 40), st.integers(1, 50), st.floats(-1e6, 1e6))
def test_moments_are_those_of_all_rows_whatever_the_batches_and_the_offset(n, batch_size, offset):
    rows = np.random.default_rng(n).standard_normal((n, 3, 2)) + offset
    found = moments(rows, batch_size=batch_size)
    np.testing.assert_allclose(found.mean, rows.mean(0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.variance, rows.var(0), rtol=1e-6, atol=1e-9)
    assert found.total == pytest.approx(rows.var(0).sum(), rel=1e-6, abs=1e-9)


def test_no_row_has_no_mean():
    with pytest.raises(InputError, match="none to take the mean of"):
        moments(np.zeros((0, 3)))
