from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from core.errors import InputError
from core.randomness import generators
from landscape.curvature.quadrature import Quadrature, hessian_quadrature, quadrature


def matrix(d: int = 40) -> Tensor:
    turn = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(0)).double()).Q
    values = torch.cat([torch.linspace(-2, 1, d - 3), torch.tensor([5.0, 8.0, 9.0])]).double()
    return (turn * values) @ turn.T


def seen(a: Tensor, n: int = 1, **options: int) -> Quadrature:
    like = torch.zeros(n, len(a), dtype=a.dtype)
    streams = generators(0, [str(i) for i in range(n)], "quadrature")
    return quadrature(lambda v: v @ a, like, streams, **options)


def test_a_probe_is_exact_for_any_function_once_it_has_seen_the_whole_space() -> None:
    a = matrix()
    found = seen(a, n=3, probes=2, steps=40)
    streams = generators(0, ["0", "1", "2"], "quadrature")
    values, columns = torch.linalg.eigh(a)
    for function in (torch.abs, torch.exp, lambda x: (x > 0.3).double()):
        dense = columns * function(values) @ columns.T
        for probe in range(2):
            starts = torch.stack(
                [torch.from_numpy(g.integers(0, 2, 40, dtype="i1") * 2 - 1) for g in streams]
            ).double()
            expected = ((starts @ dense) * starts).sum(1)
            node, weight = found.nodes[:, probe], found.weights[:, probe]
            torch.testing.assert_close(40 * (weight * function(node)).sum(1), expected)
        streams = generators(0, ["0", "1", "2"], "quadrature")


def test_a_few_steps_are_exact_for_polynomials_of_degree_twice_that_less_one() -> None:
    a = matrix()
    few, all_ = seen(a, probes=2, steps=4), seen(a, probes=2, steps=40)
    for power in range(8):
        torch.testing.assert_close(
            few.trace(lambda x, p=power: x**p)[0], all_.trace(lambda x, p=power: x**p)[0]
        )
    assert (few.trace(lambda x: x**9)[0] / all_.trace(lambda x: x**9)[0] - 1).abs() > 1e-6


def test_intervals_cover_traces_ratios_and_shares_95_times_in_100() -> None:
    a, n = matrix(), 600
    true = torch.linalg.eigvalsh(a)
    found = seen(a, n=n, probes=8)
    width = stats.t.ppf(0.975, 7)
    grid = torch.tensor([-1.0, 0.0, 6.0], dtype=torch.float64)
    negative = lambda x: (-x).clamp_min(0)  # noqa: E731
    cases = [
        (*found.trace(torch.abs), true.abs().sum()),
        (*found.trace(torch.square), true.square().sum()),
        (*found.ratio(negative, torch.abs), negative(true).sum() / true.abs().sum()),
        *((m, e, (true <= g).double().mean()) for m, e, g in zip(
            *(part.unbind(1) for part in found.cumulative(grid)), grid, strict=True)),
    ]  # fmt: skip
    for mean, error, expected in cases:
        assert 0.89 <= ((mean - expected).abs() <= width * error).double().mean() <= 0.98
        assert (mean.mean() - expected).abs() < 0.01 * expected.abs() + 5 * mean.std() / n**0.5


def test_the_density_integrates_to_one_and_is_that_of_the_eigenvalues() -> None:
    a = matrix()
    grid = torch.linspace(-6, 14, 2000, dtype=torch.float64)
    mean, error = seen(a, n=20, probes=16).density(grid, 0.5)
    step = grid[1] - grid[0]
    torch.testing.assert_close(mean.sum(1) * step, torch.ones(20).double(), rtol=1e-6, atol=0)
    bells = torch.distributions.Normal(torch.linalg.eigvalsh(a), 0.5)
    true = bells.log_prob(grid.unsqueeze(1)).exp().mean(1)
    assert (mean.mean(0) - true).abs().max() < 0.03 * true.max()
    assert error.max() < 0.5 * true.max()


def test_each_example_has_a_grid_and_a_width_of_its_own() -> None:
    a = matrix()
    both = Quadrature(*(torch.cat([x, s * x]) if s == 3 else torch.cat([x, x])
                        for x, s in ((seen(a).nodes, 3), (seen(a).weights, 1))), 40)  # fmt: skip
    grid = torch.linspace(-2, 9, 7, dtype=torch.float64)
    grids = torch.stack([grid, 3 * grid])
    below, _ = both.cumulative(grids)
    torch.testing.assert_close(below[0], below[1])
    density, _ = both.density(grids, torch.tensor([0.2, 0.6]))
    torch.testing.assert_close(density[0], 3 * density[1])


def test_a_zero_matrix_has_a_share_of_zero() -> None:
    share, error = seen(torch.zeros(5, 5).double()).ratio(torch.abs, torch.abs)
    assert share.item() == error.item() == 0


def test_the_hessian_of_a_loss_is_what_is_seen() -> None:
    a = matrix(12)
    images = torch.rand(3, 3, 2, 2, dtype=torch.float64)
    found = hessian_quadrature(
        lambda x: torch.einsum("ni,ij,nj->n", x.flatten(1), a, x.flatten(1)) / 2,
        images,
        probes=4,
        steps=12,
        ids=["0", "1", "2"],
    )
    again = seen(a, n=3, probes=4, steps=12)
    torch.testing.assert_close(found.trace(torch.abs)[0], again.trace(torch.abs)[0])


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match="--probes"):
        seen(matrix(), probes=1)
    with pytest.raises(InputError, match="--steps"):
        hessian_quadrature(lambda x: x.square().sum(1), torch.zeros(1, 2), steps=0)
