"""The intrinsic dimension of manifolds whose dimension is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, ortho_group

from autoencoders.latents import two_nn
from core.errors import InputError


def torus(n: int, d: int, seed: int) -> np.ndarray:
    """Return points uniform on a flat torus of d dimensions, which has no boundary."""
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, d))
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def test_it_is_the_censored_likelihood_of_the_ratios_of_two_distances():
    points = np.random.default_rng(0).normal(size=(40, 3))
    logs = []
    for i in range(40):
        distances = sorted(
            float(np.sqrt(((points[i] - points[j]) ** 2).sum())) for j in range(40) if j != i
        )
        logs.append(np.log(distances[1] / distances[0]))
    logs = sorted(logs)
    total = sum(logs[:36]) + 4 * logs[35]
    found = two_nn(points)
    assert found.estimate == pytest.approx(35 / total)
    assert found.low == pytest.approx(chi2.ppf(0.025, 72) / (2 * total))
    assert found.high == pytest.approx(chi2.ppf(0.975, 72) / (2 * total))


@pytest.mark.parametrize("d", [1, 2, 4])
def test_the_dimension_of_a_torus_is_found_however_it_is_turned_and_scaled(d):
    points = torus(1500, d, seed=d)
    found = two_nn(points)
    # In four dimensions neighbours are so far apart that the torus is bent between them.
    assert abs(found.estimate - d) < 0.08 * d
    assert d == 4 or found.low < d < found.high
    assert found.high - found.low < 0.25 * d
    turned = 1e-3 * points @ ortho_group.rvs(2 * d + 5, random_state=0)[: 2 * d] + 7
    assert two_nn(turned).estimate == pytest.approx(found.estimate, rel=1e-6)


def test_the_interval_covers_the_dimension_as_often_as_it_says():
    covered = [not two_nn(torus(200, 2, seed)).excludes(2) for seed in range(100)]
    assert np.mean(covered) >= 0.88


def test_noise_shows_at_the_scale_of_the_neighbours():
    line = torus(1000, 1, 0)
    noisy = line + np.random.default_rng(1).normal(0, 0.05, line.shape)
    assert two_nn(line).high < 1.2
    assert two_nn(noisy).low > 1.5


def test_copies_of_a_point_change_nothing():
    points = torus(300, 2, 5)
    assert two_nn(np.vstack([points, points[:50]])).estimate == two_nn(points).estimate


def test_too_few_points_are_refused():
    with pytest.raises(InputError, match="at least 10"):
        two_nn(np.ones((50, 3)))
    with pytest.raises(InputError, match="discard"):
        two_nn(torus(50, 1, 0), discard=1.0)
