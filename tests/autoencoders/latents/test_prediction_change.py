from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from autoencoders.latents import jensen_shannon

logits = arrays(np.float64, (2, 4, 5), elements=st.floats(-20, 20))


@given(logits, st.sampled_from([0.5, 1.0, 10.0]))
def test_it_is_the_square_of_scipys_distance(values, temperature):
    first, second = (torch.from_numpy(v) for v in values)
    found = jensen_shannon(first, second, temperature).numpy()
    p, q = (softmax(v / temperature, axis=1) for v in values)
    assert np.allclose(found, np.nan_to_num(jensenshannon(p, q, axis=1)) ** 2, atol=1e-9)
    assert (found >= 0).all()
    assert (found <= np.log(2) + 1e-12).all()
    assert np.allclose(found, jensen_shannon(second, first, temperature).numpy(), atol=1e-12)


def test_a_common_offset_of_the_logits_and_certainty_change_nothing():
    sure = torch.tensor([[1e4, 0.0, 0.0]])
    assert float(jensen_shannon(sure, sure + 77)) == 0
    assert abs(float(jensen_shannon(sure, sure.flip(1))) - np.log(2)) < 1e-12
