from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import generators
from landscape.curvature.lanczos import Ritz, lanczos


def find(matrix: Tensor, **options: object) -> Ritz:
    streams = generators(0, [str(i) for i in range(len(matrix))], "curvature")
    return lanczos(
        lambda v: torch.einsum("nij,nj->ni", matrix, v), matrix[:, 0], streams, **options
    )  # type: ignore[arg-type]


def symmetric(n: int, d: int, dtype: torch.dtype = torch.float64) -> Tensor:
    root = torch.randn(n, d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return ((root + root.transpose(1, 2)) / 2).to(dtype)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("which", ["magnitude", "largest", "smallest"])
def test_extreme_eigenvalues_are_those_of_a_dense_solver(
    dtype: torch.dtype, rtol: float, which: str
) -> None:
    matrix = symmetric(6, 80, dtype)
    dense = torch.linalg.eigvalsh(matrix.double())
    key = {"magnitude": -dense.abs(), "largest": -dense, "smallest": dense}[which]
    expected = dense.gather(1, key.argsort(1)[:, :3])
    found = find(matrix, top=3, which=which)
    torch.testing.assert_close(found.values, expected, rtol=rtol, atol=0)
    applied = torch.einsum("nij,nvj->nvi", matrix, found.vectors).double()
    residual = (applied - found.values[..., None] * found.vectors.double()).norm(dim=2)
    rounding = 20 * torch.finfo(dtype).eps * dense.abs().amax()
    torch.testing.assert_close(residual, found.residuals, rtol=1e-3, atol=float(rounding))


def test_residuals_bound_the_error_also_when_steps_run_out() -> None:
    matrix = symmetric(20, 60)
    dense = torch.linalg.eigvalsh(matrix)
    found = find(matrix, top=2, steps=6)
    gap = (found.values[:, :, None] - dense[:, None]).abs().amin(2)
    assert (gap <= found.residuals * (1 + 1e-9)).all()
    assert (found.steps == 6).all()
    assert (found.residuals > 1e-3).any()


def test_a_krylov_space_that_closes_too_early_is_left_for_a_new_one() -> None:
    turn = torch.linalg.qr(symmetric(2, 9))[0]
    values = torch.tensor([5.0, 5, 5, -2, -2, -2, 5, 5, 5], dtype=torch.float64)
    matrix = turn * values @ turn.transpose(1, 2)
    found = find(matrix, top=4)
    expected = torch.tensor([[5.0, 5, -2, -2]] * 2, dtype=torch.float64)
    torch.testing.assert_close(found.values, expected)
    applied = found.vectors @ matrix
    torch.testing.assert_close(applied, found.values[..., None] * found.vectors)


def test_zero_and_identity_take_one_step() -> None:
    matrix = torch.stack([torch.zeros(7, 7), torch.eye(7)]).double()
    found = find(matrix)
    torch.testing.assert_close(found.values[:, 0], torch.tensor([0.0, 1.0]).double())
    assert found.steps.tolist() == [1, 1]


def test_the_zero_matrix_has_as_many_orthonormal_vectors_as_asked_for() -> None:
    vectors = find(torch.zeros(2, 5, 5).double(), top=3).vectors
    expected = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    torch.testing.assert_close(vectors @ vectors.transpose(1, 2), expected)


def test_the_trace_within_the_basis_is_what_it_says() -> None:
    matrix = symmetric(3, 40)
    found = find(matrix, tolerance=1e-2)
    assert found.steps.max() < 40
    projected = found.basis @ matrix @ found.basis.transpose(1, 2)
    torch.testing.assert_close(projected.diagonal(dim1=1, dim2=2).sum(1), found.inside)
    gram = found.basis @ found.basis.transpose(1, 2)
    ends = torch.arange(gram.shape[1]) < found.steps[:, None]
    torch.testing.assert_close(gram, torch.diag_embed(ends.double()))


def test_an_example_stops_at_its_own_step_whatever_the_others_do() -> None:
    hard = symmetric(1, 50)
    easy = torch.diag(torch.tensor([1.0] + [0.0] * 49)).double()[None]
    together = find(torch.cat([hard, easy]))
    alone = find(hard)
    assert together.steps[1] < together.steps[0] == alone.steps[0]
    torch.testing.assert_close(together.values[:1], alone.values, rtol=1e-13, atol=0)
    torch.testing.assert_close(together.inside[:1], alone.inside, rtol=1e-13, atol=0)


def test_bad_input_is_one_sentence() -> None:
    with pytest.raises(InputError, match="--top: expected 1 to 4"):
        find(symmetric(1, 4), top=5)
    with pytest.raises(InputError, match="--which"):
        find(symmetric(1, 4), which="biggest")
