from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from autoencoders.quality import MeanModel, NearestExample, PrincipalComponents
from autoencoders.quality.baselines import components_for
from core.errors import InputError
from core.representations import moments


def rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    mixing = generator.standard_normal((d, d)) * np.linspace(2, 0.1, d)
    return (7 + generator.standard_normal((n, d)) @ mixing.T).reshape(n, d // 2, 2)


@pytest.mark.parametrize(("n", "d"), [(80, 12), (20, 60)])
def test_principal_components_are_sklearn_s_in_both_shapes(n, d):
    x = rows(n, d)
    found = PrincipalComponents.fit(x, moments(x), 5)
    peer = PCA(5).fit(x.reshape(n, d))
    np.testing.assert_allclose(
        found(x).reshape(n, d), peer.inverse_transform(peer.transform(x.reshape(n, d))), atol=1e-8
    )
    np.testing.assert_allclose(found.variances, peer.explained_variance_ * (n - 1) / n)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(5), atol=1e-9)


def test_more_components_than_the_examples_span_are_left_out():
    x = rows(6, 20)
    found = PrincipalComponents.fit(x, moments(x), 50)
    assert len(found.components) == 5
    np.testing.assert_allclose(found(x), x, atol=1e-8)
    with pytest.raises(InputError, match="--latent"):
        PrincipalComponents.fit(x, moments(x), 0)


def test_the_components_for_a_share_are_the_fewest():
    x = rows(200, 10)
    variances = PCA().fit(x.reshape(200, 10)).explained_variance_ratio_
    (count,) = components_for(x, moments(x), [0.9])
    assert variances[:count].sum() >= 0.9 > variances[: count - 1].sum()


@pytest.mark.parametrize("batch_size", [1, 7, 1024])
def test_the_nearest_example_is_the_literal_one(batch_size):
    known, asked = rows(40, 8), rows(9, 8, seed=1)
    found = NearestExample(known, batch_size).nearest(asked)
    flat, own = known.reshape(40, -1), asked.reshape(9, -1)
    expected = [int(np.argmin(((flat - row) ** 2).sum(1))) for row in own]
    assert found.tolist() == expected
    np.testing.assert_array_equal(NearestExample(known, batch_size)(asked), known[expected])


def test_the_mean_model_predicts_the_mean():
    x = rows(5, 4)
    assert (MeanModel(x.mean(0))(x) == x.mean(0)).all()
