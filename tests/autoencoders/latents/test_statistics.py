"""Moments, spectrum and separation, against slow literal references and known clouds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.stats import ortho_group

from autoencoders.latents import (
    covariance_spectrum,
    fisher_ratio,
    latent_moments,
    nearest_mean_accuracy,
)
from core.errors import InputError

RNG = np.random.default_rng(0)
CLOUD = RNG.gamma(2.0, size=(60, 4)) @ RNG.normal(size=(4, 4))
LABELS = np.arange(60) % 3


def test_moments_are_those_of_every_number_by_itself():
    found = latent_moments(CLOUD)
    for k in range(4):
        values = CLOUD[:, k]
        away = values - sum(values) / 60
        spread = np.sqrt(sum(away**2) / 60)
        assert found.mean[k] == pytest.approx(sum(values) / 60)
        assert found.deviation[k] == pytest.approx(spread)
        assert found.skewness[k] == pytest.approx(sum((away / spread) ** 3) / 60)
        assert found.kurtosis[k] == pytest.approx(sum((away / spread) ** 4) / 60 - 3)


def test_a_number_that_does_not_vary_has_no_shape_and_hides_no_other():
    points = np.column_stack([np.full(60, 1e3), CLOUD])
    found = latent_moments(points)
    assert np.isnan(found.skewness[0])
    assert np.isnan(found.kurtosis[0])
    assert np.allclose(found.skewness[1:], latent_moments(CLOUD).skewness)


def test_the_spectrum_is_that_of_the_covariance_matrix():
    found = covariance_spectrum(CLOUD)
    literal = np.linalg.eigvalsh(np.cov(CLOUD.T, ddof=0))[::-1]
    assert np.allclose(found.variances, literal)
    assert found.components(1.0) == 4
    assert found.components(literal[0] / literal.sum()) == 1


@pytest.mark.parametrize("k", [1, 3, 7])
def test_participation_counts_directions_that_vary_alike(k):
    # The corners of a cross-polytope vary by 1 / k along each of k rotated axes.
    corners = np.vstack([np.eye(k), -np.eye(k)])
    turned = ortho_group.rvs(9, random_state=1)[:k]
    found = covariance_spectrum(5 + corners @ turned)
    assert found.participation == pytest.approx(k)
    assert np.isnan(covariance_spectrum(np.ones((5, 2))).participation)


def test_the_fisher_ratio_divides_the_whole_variance_between_and_within_classes():
    within = between = 0.0
    for label in range(3):
        own = [point for point, k in zip(CLOUD, LABELS, strict=True) if k == label]
        mean = sum(own) / len(own)
        within += sum(float((point - mean) @ (point - mean)) for point in own)
        between += len(own) * float((mean - CLOUD.mean(0)) @ (mean - CLOUD.mean(0)))
    found = fisher_ratio(CLOUD, LABELS)
    assert found == pytest.approx(between / within)
    assert between + within == pytest.approx(60 * CLOUD.var(0).sum())
    turned = 3.5 * CLOUD @ ortho_group.rvs(4, random_state=0) - 2
    assert fisher_ratio(turned, LABELS) == pytest.approx(found)
    assert fisher_ratio(np.eye(3)[LABELS], LABELS) == np.inf


def test_classes_that_lie_apart_are_named_by_the_nearest_mean():
    means = 3.0 * np.eye(3)
    train = means[LABELS] + RNG.normal(size=(60, 3))
    labels = np.repeat(np.arange(3), 2000)
    held_out = means[labels] + RNG.normal(size=(6000, 3))
    found = nearest_mean_accuracy(train, LABELS + 10, held_out, labels + 10)
    guesses = [
        min(range(3), key=lambda k: np.linalg.norm(p - train[k == LABELS].mean(0)))
        for p in held_out
    ]
    assert found.estimate == pytest.approx(np.mean(np.array(guesses) == labels))
    # Of two of the three means the nearer one is missed with probability Phi(-3 / sqrt 2).
    assert found.estimate > 1 - 2 * stats.norm.cdf(-3 / np.sqrt(2)) - 0.02
    assert found.low < found.estimate < found.high


@pytest.mark.parametrize("points", [np.zeros((1, 3)), np.zeros(5), np.full((4, 2), np.nan)])
def test_latents_that_cannot_be_described_are_refused(points):
    with pytest.raises(InputError, match="latents"):
        latent_moments(points)


def test_one_class_alone_cannot_be_parted():
    with pytest.raises(InputError, match="two classes"):
        fisher_ratio(CLOUD, np.zeros(60))
