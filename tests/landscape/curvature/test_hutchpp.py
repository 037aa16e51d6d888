from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from core.errors import InputError
from core.randomness import generators
from landscape.curvature.hutchpp import hessian_trace, trace_outside


def outside(matrix: Tensor, basis: Tensor, probes: int = 16) -> tuple[Tensor, Tensor]:
    streams = generators(0, [str(i) for i in range(len(basis))], "curvature")
    return trace_outside(lambda v: v @ matrix, basis, streams, probes=probes)


def symmetric(d: int) -> Tensor:
    root = torch.randn(d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (root + root.T) / 2


@pytest.mark.parametrize("inside", [0, 5])
def test_intervals_cover_the_trace_95_times_in_100(inside: int) -> None:
    n, d = 1000, 30
    matrix = symmetric(d)
    rows = torch.linalg.qr(symmetric(d) + 1)[0][:inside]
    mean, error = outside(matrix, rows.expand(n, inside, d))
    rest = torch.eye(d, dtype=torch.float64) - rows.T @ rows
    true = torch.trace(rest @ matrix @ rest)
    width = stats.t.ppf(0.975, 15) * error
    assert 0.93 <= ((mean - true).abs() <= width).double().mean() <= 0.97
    assert (mean.mean() - true).abs() < 4 * mean.std() / n**0.5


def test_a_diagonal_matrix_has_no_error() -> None:
    matrix = torch.diag(torch.arange(6.0)).double()
    mean, error = outside(matrix, torch.zeros(3, 0, 6, dtype=torch.float64))
    torch.testing.assert_close(mean, torch.full((3,), 15.0, dtype=torch.float64))
    assert error.max() < 1e-12


def test_nothing_is_left_outside_of_the_whole_space() -> None:
    whole = torch.eye(6, dtype=torch.float64).expand(2, 6, 6)
    mean, error = outside(symmetric(6), whole)
    assert mean.abs().max() < 1e-12
    assert error.max() < 1e-12


def test_one_probe_is_refused() -> None:
    with pytest.raises(InputError, match="--probes"):
        outside(symmetric(3), torch.zeros(1, 0, 3).double(), probes=1)


def test_hutch_plus_plus_covers_the_trace_and_beats_random_signs_alone() -> None:
    n, d, products = 400, 30, 18
    turn = torch.linalg.qr(symmetric(d)).Q
    values = torch.cat([torch.tensor([90.0, 70.0, 50.0, -30.0]), 0.1 * torch.arange(26.0)]).double()
    matrix = turn * values @ turn.T
    mean, error = hessian_trace(
        lambda x: torch.einsum("ni,ij,nj->n", x, matrix, x) / 2,
        torch.rand(n, d, dtype=torch.float64),
        products=products,
    )
    width = stats.t.ppf(0.975, products // 3 - 1) * error
    assert 0.92 <= ((mean - values.sum()).abs() <= width).double().mean() <= 0.99
    assert (mean.mean() - values.sum()).abs() < 4 * mean.std() / n**0.5
    plain, _ = outside(matrix, torch.zeros(n, 0, d, dtype=torch.float64), probes=products)
    assert mean.std() < 0.1 * plain.std()
    with pytest.raises(InputError, match="--products"):
        hessian_trace(lambda x: x.sum(1), torch.rand(1, 2), products=5)
