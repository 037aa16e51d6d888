"""Chains draw from what they are told to: known targets, a guided latent, reproducible streams."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit
from torch import Tensor

from autoencoders.sampling import sample
from core.errors import InputError
from core.statistics.chains import mean_error

COVARIANCE = torch.tensor([[1.0, 0.8], [0.8, 2.0]], dtype=torch.float64)
MIDDLE = torch.tensor([3.0, -1.0], dtype=torch.float64)


def gaussian(z: Tensor) -> Tensor:
    off = z - MIDDLE
    return -(off @ torch.linalg.inv(COVARIANCE) * off).sum(1) / 2


def banana(z: Tensor) -> Tensor:
    """A bent Gaussian: z0 ~ N(0, 1), z1 | z0 ~ N(z0^2 / 2, 0.7^2)."""
    return -z[:, 0].square() / 2 - (z[:, 1] - z[:, 0].square() / 2).square() / (2 * 0.49)


def starts(chains: int = 8, spread: float = 2.0) -> Tensor:
    return spread * torch.randn(chains, 2, generator=torch.Generator().manual_seed(0)).double()


def agree(*moments: tuple[np.ndarray, float]) -> bool:
    """Whether means over all chains are the known ones: within 2 standard errors, one within 3."""
    off = sorted(abs(values.mean() - truth) / mean_error(values) for values, truth in moments)
    return off[-1] < 3 and (len(off) == 1 or off[-2] < 2)


@pytest.mark.parametrize(("leapfrog", "draws"), [(1, 3000), (8, 1000)])
def test_moments_of_a_correlated_gaussian(leapfrog: int, draws: int) -> None:
    found = sample(gaussian, starts(), draws=draws, warmup=500, leapfrog=leapfrog, seed=3)
    assert (found.r_hat() < 1.05).all()
    z = found.draws.numpy()
    off = z - MIDDLE.numpy()
    assert agree(
        *((z[..., i], float(MIDDLE[i])) for i in range(2)),
        *(
            (off[..., i] * off[..., j], float(COVARIANCE[i, j]))
            for i, j in ((0, 0), (0, 1), (1, 1))
        ),
    )
    torch.testing.assert_close(found.log_density[-1], gaussian(found.draws[-1]))


@pytest.mark.parametrize("leapfrog", [1, 6])
def test_moments_of_a_banana(leapfrog: int) -> None:
    found = sample(banana, starts(), draws=2500, warmup=600, leapfrog=leapfrog, seed=2)
    assert (found.r_hat() < 1.05).all()
    z = found.draws.numpy()
    assert agree(
        (z[..., 0], 0.0), (z[..., 0] ** 2, 1.0), (z[..., 1], 0.5),
        ((z[..., 1] - z[..., 0] ** 2 / 2) ** 2, 0.49),
    )  # fmt: skip


@pytest.mark.parametrize("leapfrog", [1, 5])
def test_a_gaussian_latent_guided_by_a_linear_classifier(leapfrog: int) -> None:
    """p(z) ~ N(z; 0, I) sigmoid(a.z + b): Gaussian across `a`, one integral along it."""
    way = torch.tensor([1.5, -2.0, 0.0], dtype=torch.float64)
    bias = -1.0

    def log_density(z: Tensor) -> Tensor:
        return -z.square().sum(1) / 2 + torch.nn.functional.logsigmoid(z @ way + bias)

    start = torch.randn(8, 3, generator=torch.Generator().manual_seed(3)).double()
    found = sample(log_density, start, draws=3000, warmup=500, leapfrog=leapfrog, seed=4)
    assert (found.r_hat() < 1.05).all()
    length = float(way.norm())

    def weight(t: float) -> float:
        return float(np.exp(-t * t / 2) * expit(length * t + bias))

    mass = quad(weight, -10, 10)[0]
    mean = quad(lambda t: t * weight(t), -10, 10)[0] / mass
    square = quad(lambda t: t * t * weight(t), -10, 10)[0] / mass
    along = (found.draws @ way / length).numpy()
    across = found.draws[..., 2].numpy()
    assert agree((along, mean), (along**2, square), (across, 0.0), (across**2, 1.0))


@pytest.mark.parametrize(("leapfrog", "aim"), [(1, 0.574), (8, 0.8)])
def test_steps_adapt_to_the_acceptance_that_is_aimed_at(leapfrog: int, aim: float) -> None:
    for scale in (0.01, 100.0):
        found = sample(
            lambda z, s=scale: -(z / s).square().sum(1) / 2,
            scale * starts(),
            draws=500,
            warmup=500,
            leapfrog=leapfrog,
            seed=5,
        )
        assert float(found.acceptance.mean()) == pytest.approx(aim, abs=0.1)
        assert (found.r_hat() < 1.05).all()


def test_a_chain_does_not_depend_on_those_beside_it() -> None:
    start = starts(4)
    together = sample(gaussian, start, draws=20, warmup=20, leapfrog=3, ids=list("abcd"))
    alone = sample(gaussian, start[2:3], draws=20, warmup=20, leapfrog=3, ids=["c"])
    torch.testing.assert_close(together.draws[:, 2:3], alone.draws, rtol=1e-9, atol=1e-9)
    other = sample(gaussian, start, draws=20, warmup=20, leapfrog=3, ids=list("abcd"), seed=1)
    assert not torch.equal(other.draws, together.draws)


def test_points_without_density_are_never_drawn() -> None:
    def half(z: Tensor) -> Tensor:
        return torch.where(z[:, 0] > 0, -z.square().sum(1) / 2, -torch.inf)

    found = sample(half, starts().abs(), draws=2000, warmup=300, seed=6)
    assert bool((found.draws[..., 0] > 0).all())
    assert agree((found.draws[..., 0].numpy(), float(np.sqrt(2 / np.pi))))


def test_too_long_a_step_diverges_and_is_counted() -> None:
    found = sample(
        lambda z: -((1e3 * z) ** 4).sum(1),
        1e-4 * starts(),
        draws=50,
        warmup=0,
        leapfrog=3,
        step=1.0,
    )
    assert int(found.divergent.sum()) > 0
    assert float(found.acceptance.max()) == 0


@pytest.mark.parametrize(
    "options",
    [{"draws": 0}, {"leapfrog": 0}, {"step": 0.0}, {"acceptance": 1.0}, {"warmup": -1}],
)
def test_bad_numbers_are_refused(options: dict) -> None:
    with pytest.raises(InputError, match="--"):
        sample(gaussian, starts(), **options)


def test_a_start_without_density_is_refused() -> None:
    with pytest.raises(InputError, match="not finite where a chain starts"):
        sample(lambda z: z.sum(1) + torch.nan, starts())
