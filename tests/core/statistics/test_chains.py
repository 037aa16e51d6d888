"""R-hat and effective sample size against what is known of independent and autoregressive draws."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.statistics.chains import effective_sample_size, mean_error, split_r_hat


def autoregressive(rho: float, n: int, chains: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    draws = np.empty((n, chains))
    draws[0] = generator.normal(size=chains)
    for i in range(1, n):
        draws[i] = rho * draws[i - 1] + np.sqrt(1 - rho**2) * generator.normal(size=chains)
    return draws


def literal_split_r_hat(draws: np.ndarray) -> float:
    """The plain formula of Gelman et al., without ranks, chain by chain."""
    half = len(draws) // 2
    chains = [c for column in draws.T for c in (column[:half], column[-half:])]
    n, m = half, len(chains)
    means = [sum(c) / n for c in chains]
    pairs = list(zip(chains, means, strict=True))
    within = sum(sum((x - mean) ** 2 for x in c) / (n - 1) for c, mean in pairs) / m
    grand = sum(means) / m
    between = n * sum((mean - grand) ** 2 for mean in means) / (m - 1)
    return float(np.sqrt(((n - 1) / n * within + between / n) / within))


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
def test_the_effective_size_of_autoregressive_chains_is_the_known_one(rho: float) -> None:
    draws = autoregressive(rho, 8000, 4, seed=0)
    known = draws.size * (1 - rho) / (1 + rho)
    assert effective_sample_size(draws) == pytest.approx(known, rel=0.15)


def test_means_scatter_by_the_error_that_is_stated() -> None:
    runs = [autoregressive(0.8, 400, 4, seed) for seed in range(200)]
    stated = np.mean([mean_error(run) for run in runs])
    assert np.std([run.mean() for run in runs]) == pytest.approx(stated, rel=0.2)


def test_r_hat_of_nearly_normal_draws_is_that_of_the_plain_formula() -> None:
    draws = np.random.default_rng(1).normal(size=(400, 4)) + 0.2 * np.arange(4)
    assert split_r_hat(draws) == pytest.approx(literal_split_r_hat(draws), abs=0.005)


@pytest.mark.parametrize("trouble", ["places", "widths", "drift"])
def test_r_hat_sees_chains_that_have_not_mixed(trouble: str) -> None:
    draws = np.random.default_rng(2).normal(size=(400, 4))
    assert split_r_hat(draws) < 1.01
    if trouble == "places":
        draws = draws + np.arange(4)
    elif trouble == "widths":
        draws = draws * np.array([1, 1, 1, 5])
    else:
        draws = draws + np.linspace(0, 3, 400)[:, None]
    assert split_r_hat(draws) > 1.1


def test_shapes_follow_the_draws_and_what_does_not_vary_is_no_trouble() -> None:
    draws = np.random.default_rng(3).normal(size=(100, 4, 2, 3))
    draws[:, :, 0, 0] = 7.0
    assert split_r_hat(draws).shape == effective_sample_size(draws).shape == (2, 3)
    assert split_r_hat(draws)[0, 0] == 1
    assert effective_sample_size(draws)[0, 0] == 400
    assert np.isfinite(effective_sample_size(draws)).all()


@pytest.mark.parametrize("draws", [np.zeros((4, 2)), np.zeros(100), np.full((100, 2), np.nan)])
def test_what_is_no_set_of_chains_is_refused(draws: np.ndarray) -> None:
    with pytest.raises(InputError, match="draws"):
        split_r_hat(draws)
