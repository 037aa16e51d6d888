from __future__ import annotations

import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from core.randomness import generators
from landscape.curvature.raised_logits import raised_logits
from landscape.curvature.softmax import classes_needed, softmax_curvature


def literal(weights: Tensor, logits: Tensor) -> Tensor:
    """Eigenvalues of `W' (diag p - p p') W`, from the largest, with 400 digits."""
    with mpmath.workdps(400):
        raised = [mpmath.e ** mpmath.mpf(z) for z in logits.double().tolist()]
        p = [r / sum(raised) for r in raised]
        w = mpmath.matrix(weights.double().tolist())
        inner = mpmath.diag(p) - mpmath.matrix(p) * mpmath.matrix(p).T
        values = mpmath.eigsy(w.T * inner * w, eigvals_only=True)
        return torch.tensor([float(v) for v in values], dtype=torch.float64).flip(0)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 600), st.integers(0, 1000))
def test_two_classes_have_one_eigenvalue_at_any_confidence(gap: float, seed: int) -> None:
    weights = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    bias = torch.tensor([gap, 0.0], dtype=torch.float64)
    found = softmax_curvature(
        lambda x: x @ weights.T + bias, torch.zeros(1, 5, dtype=torch.float64)
    )
    both = math.exp(-gap) / (1 + math.exp(-gap)) ** 2
    expected = both * (weights[0] - weights[1]).square().sum().reshape(1, 1)
    torch.testing.assert_close(found.eigenvalues, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.trace, expected[0], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("dtype", "gap", "rtol"),
    [
        (torch.float64, 0.0, 1e-12),
        (torch.float64, 28.0, 1e-12),  # 1 - p = 1e-12
        (torch.float64, 700.0, 1e-12),
        (torch.float32, 0.0, 1e-5),
        (torch.float32, 28.0, 1e-5),
        (torch.float32, 300.0, 1e-4),  # 1 - p is far below the smallest float32
    ],
)
def test_five_classes_keep_their_digits_at_any_confidence(
    dtype: torch.dtype, gap: float, rtol: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(5, 7, generator=generator).to(dtype)
    bias = torch.tensor([0.5, -0.25, gap, 0.125, 0.0], dtype=dtype)
    found = softmax_curvature(lambda x: x @ weights.T + bias, torch.zeros(1, 7, dtype=dtype))
    expected = literal(weights, bias)
    assert found.eigenvalues.shape == (1, 4)
    assert found.error.eq(0).all()
    torch.testing.assert_close(found.eigenvalues[0, :1], expected[:1], rtol=rtol, atol=0)
    torch.testing.assert_close(
        found.eigenvalues[0], expected[:4], rtol=rtol, atol=rtol * float(expected[0])
    )
    torch.testing.assert_close(found.trace[0], expected.sum(), rtol=rtol, atol=0)


def test_eigenvectors_are_unit_and_satisfy_their_equation() -> None:
    weights = torch.randn(6, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    images = torch.rand(4, 20, dtype=torch.float64)
    found = softmax_curvature(lambda x: x @ weights.T, images, vectors=5)
    p = (images @ weights.T).softmax(1)
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    hessian = weights.T @ inner @ weights
    applied = found.vectors @ hessian
    torch.testing.assert_close(applied, found.eigenvalues[..., None] * found.vectors)
    products = found.vectors @ found.vectors.transpose(1, 2)
    torch.testing.assert_close(products, torch.eye(5, dtype=torch.float64).expand(4, 5, 5))


def many_classes(n: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    weights = torch.randn(40, 60, generator=generator, dtype=torch.float64)
    images = 0.1 * torch.randn(n, 60, generator=generator, dtype=torch.float64)
    p = (images @ weights.T).softmax(1)
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    return weights, images, weights.T @ inner @ weights


def test_classes_left_out_are_covered_by_the_stated_bound() -> None:
    n = 200
    weights, images, hessian = many_classes(n)
    true = torch.linalg.eigvalsh(hessian).flip(1)
    found = softmax_curvature(
        lambda x: x @ weights.T,
        images,
        share=0.1,
        probes=4,
        streams=generators(0, [str(i) for i in range(n)], "curvature"),
    )
    k = found.eigenvalues.shape[1]
    assert 3 < k < 39
    seen, gap = found.eigenvalues, true[:, :k] - found.eigenvalues
    assert (seen <= true[:, :k] + 1e-9).all()
    assert (gap <= found.error + 1e-9).double().mean() >= 0.95
    assert (gap[:, 0] > 1e-6 * true[:, 0]).any()


def test_the_bound_holds_975_times_in_1000_also_where_one_term_makes_the_trace() -> None:
    n, probes = 4000, 4
    weights = torch.zeros(40, 3, dtype=torch.float64)
    weights[1] = torch.tensor([0.0, 1.0, 0.0])
    weights[2:4, 2] = torch.tensor([100.0, -100.0]).double()  # what is left out spreads one way
    bias = torch.full((40,), -40.0, dtype=torch.float64)
    bias[:4] = torch.tensor([9.0, 5.0, 1.0, 1.0])
    found = softmax_curvature(
        lambda x: x @ weights.T + bias,
        torch.zeros(n, 3, dtype=torch.float64),
        share=0.1,
        probes=probes,
        streams=generators(0, [str(i) for i in range(n)], "curvature"),
    )
    p = bias.softmax(0)
    hessian = weights.T @ (torch.diag(p) - torch.outer(p, p)) @ weights
    missing = hessian.trace() - found.eigenvalues.sum(1)
    assert missing.min() > 0
    assert (missing <= found.error[:, 0]).double().mean() == pytest.approx(0.975, abs=0.01)


def test_the_trace_with_classes_left_out_is_covered_95_times_in_100() -> None:
    weights, images, hessian = many_classes(1)
    n, probes = 1000, 16
    found = softmax_curvature(
        lambda x: x @ weights.T,
        images.expand(n, -1),
        share=0.2,
        probes=probes,
        streams=generators(0, [str(i) for i in range(n)], "curvature"),
    )
    true = hessian.diagonal(dim1=1, dim2=2).sum()
    width = stats.t.ppf(0.975, probes - 1) * found.standard_error
    assert found.standard_error.min() > 0
    assert 0.93 <= ((found.trace - true).abs() <= width).double().mean() <= 0.97
    assert (found.trace.mean() - true).abs() < 4 * found.trace.std() / n**0.5


def test_an_example_takes_the_classes_it_needs_whoever_is_beside_it() -> None:
    weights, images, _ = many_classes(30)
    images = images * torch.linspace(0.3, 15, 30, dtype=torch.float64).unsqueeze(1)
    q = raised_logits(lambda x: x @ weights.T, images).share
    needed = classes_needed(q, 1e-3, 4)
    assert needed.min() < 15
    assert needed.max() == 39
    for i in (int(needed.argmin()), int(needed.argmax())):
        alone, together = (
            softmax_curvature(
                lambda x: x @ weights.T, part, share=1e-3, probes=4, streams=generators(0, ids, "c")
            )
            for part, ids in ((images[i : i + 1], [str(i)]), (images, [str(j) for j in range(30)]))
        )
        k = alone.eigenvalues.shape[1]
        assert k == int(needed[i]) + (needed[i] < 39)
        torch.testing.assert_close(alone.eigenvalues[0], together.eigenvalues[i, :k])
        torch.testing.assert_close(alone.trace[0], together.trace[i])
        torch.testing.assert_close(alone.error[0, 0], together.error[i, 0])


def test_it_costs_one_pass_for_each_class_but_one() -> None:
    weights = torch.randn(6, 4)
    passes: list[int] = []

    def logits(x: Tensor) -> Tensor:
        scores = x @ weights.T
        scores.register_hook(lambda _: passes.append(1))
        return scores

    softmax_curvature(logits, torch.rand(3, 4))
    assert len(passes) == 5
