"""A Gaussian per class: against scipy, its integral, and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.covariance import ledoit_wolf

from autoencoders.latents import ClassGaussians
from core.errors import InputError

RNG = np.random.default_rng(0)
LABELS = np.repeat([2, 5, 9], [20, 30, 50])
POINTS = RNG.normal(size=(100, 3)) * [1, 2, 0.1] + LABELS[:, None]


def test_the_density_is_the_mixture_that_scipy_computes():
    asked = RNG.normal(size=(7, 3)) + 4
    found = ClassGaussians.fit(POINTS, LABELS)
    densities = []
    for label in (2, 5, 9):
        own = POINTS[label == LABELS]
        covariance, _ = ledoit_wolf(own)
        densities.append(stats.multivariate_normal(own.mean(0), covariance).logpdf(asked))
    each = found.of_classes(torch.from_numpy(asked)).numpy()
    assert np.allclose(each, np.stack(densities, 1))
    mixture = np.log(np.exp(densities).T @ np.array([0.2, 0.3, 0.5]))
    assert np.allclose(found.log_density(torch.from_numpy(asked)).numpy(), mixture)


def test_it_names_the_class_by_bayes_rule():
    found = ClassGaussians.fit(POINTS, LABELS)
    assert (found.predict(torch.from_numpy(POINTS)).numpy() == LABELS).mean() > 0.95
    at_means = found.predict(found.means)
    assert at_means.tolist() == [2, 5, 9]


def test_it_integrates_to_one():
    found = ClassGaussians.fit(POINTS[:, :1], LABELS)
    grid = torch.linspace(-30, 40, 70001, dtype=torch.float64)[:, None]
    total = torch.trapezoid(found.log_density(grid).exp(), grid[:, 0])
    assert float(total) == pytest.approx(1, abs=1e-8)


def test_its_gradient_is_that_of_the_formula():
    found = ClassGaussians.fit(POINTS, LABELS)
    points = torch.from_numpy(POINTS[:5] + 0.3).requires_grad_()
    assert torch.autograd.gradcheck(found.log_density, points)


def test_it_is_proper_with_fewer_examples_than_numbers():
    wide = RNG.normal(size=(12, 40))
    found = ClassGaussians.fit(wide, np.arange(12) % 2)
    assert found.log_density(torch.from_numpy(wide)).isfinite().all()
    assert (found.shrinkage > 0).all()


def test_classes_without_spread_are_refused():
    with pytest.raises(InputError, match="do not vary"):
        ClassGaussians.fit(np.ones((6, 2)), np.arange(6) % 2)
    with pytest.raises(InputError, match="class 1 has one alone"):
        ClassGaussians.fit(RNG.normal(size=(4, 2)), np.array([0, 0, 0, 1]))
