from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import generators
from landscape.curvature.softmax_lanczos import softmax_lanczos
from landscape.curvature.spectrum import Spectrum

N, CLASSES, PIXELS = 20, 50, 70


def case(dtype: torch.dtype = torch.float64, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(CLASSES, PIXELS, generator=generator).to(dtype)
    images = scale * 0.3 * torch.randn(N, PIXELS, generator=generator).to(dtype)
    p = (images @ weights.T).double().softmax(1)
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    return weights, images, weights.T.double() @ inner @ weights.double()


def find(weights: Tensor, images: Tensor, **options: object) -> Spectrum:
    streams = generators(0, [str(i) for i in range(len(images))], "curvature")
    return softmax_lanczos(lambda x: x @ weights.T, images, streams, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("top", [1, 4])
def test_top_eigenvalues_and_vectors_are_those_of_a_dense_solver(
    dtype: torch.dtype, rtol: float, top: int
) -> None:
    weights, images, hessian = case(dtype)
    true, columns = torch.linalg.eigh(hessian)
    found = find(weights, images, top=top, vectors=top, probes=0)
    scale = true[:, -1:]
    assert ((found.eigenvalues - true.flip(1)[:, :top]) / scale).abs().max() < rtol
    assert (found.error <= 1.1e-4 * scale).all()
    cosines = (found.vectors.double() * columns.flip(2)[:, :, :top].transpose(1, 2)).sum(2)
    assert cosines.abs().min() > 1 - 1e-4
    assert found.trace.isnan().all()


def test_residuals_bound_the_error_when_steps_run_out() -> None:
    weights, images, hessian = case()
    true = torch.linalg.eigvalsh(hessian)
    found = find(weights, images, top=2, steps=4, probes=0)
    gap = (found.eigenvalues[:, :, None] - true[:, None]).abs().amin(2)
    assert (gap <= found.error * (1 + 1e-9)).all()
    assert (found.error > 1e-3 * true[:, -1:]).any()


def test_a_thousand_classes_take_no_more_passes_than_fifty() -> None:
    passes: dict[int, int] = {}
    for classes in (50, 1000):
        weights = torch.randn(classes, PIXELS, generator=torch.Generator().manual_seed(1))
        count: list[int] = []

        def logits(x: Tensor, w: Tensor = weights, count: list[int] = count) -> Tensor:
            scores = x @ w.T
            scores.register_hook(lambda _: count.append(1))
            return scores

        images = 0.3 * torch.randn(N, PIXELS, generator=torch.Generator().manual_seed(2))
        softmax_lanczos(logits, images, generators(0, ["a"] * N, "c"), probes=0)
        passes[classes] = len(count)
    assert passes[1000] <= 1.5 * passes[50] < 50


def test_the_trace_is_covered_by_its_standard_error() -> None:
    weights, images, hessian = case()
    true = hessian.diagonal(dim1=1, dim2=2).sum(1)
    found = [
        softmax_lanczos(
            lambda x: x @ weights.T, images, generators(s, [str(i) for i in range(N)], "c"),
            probes=16,
        )
        for s in range(16)
    ]  # fmt: skip
    trace, spread = (
        torch.stack([getattr(f, k) for f in found]) for k in ("trace", "standard_error")
    )
    covered = ((trace - true).abs() <= 2.131 * spread).double().mean()  # t, 15 degrees of freedom
    assert 0.92 <= covered <= 0.98
    assert ((trace.mean(0) - true).abs() < 5 * trace.std(0) / 4).all()
    assert (spread.mean(0) < 0.2 * true).all()


def test_digits_are_kept_at_any_confidence() -> None:
    weights, images, _ = case()
    bias = torch.zeros(CLASSES, dtype=torch.float64)
    bias[3] = 200.0
    streams = generators(0, [str(i) for i in range(N)], "c")
    found = softmax_lanczos(lambda x: x @ weights.T + bias, images, streams, top=2)
    scores = images @ weights.T + bias
    others = torch.arange(CLASSES) != 3
    rest = (torch.logsumexp(scores[:, others], 1) - torch.logsumexp(scores, 1)).exp()
    q = scores[:, others].softmax(1)
    slopes = weights[others] - weights[3]
    scaled = torch.einsum("nk,ki,kj->nij", q, slopes, slopes)  # H / (1 - p), to the order of 1 - p
    true = torch.linalg.eigvalsh(scaled).flip(1)[:, :2] * rest[:, None]
    torch.testing.assert_close(found.eigenvalues, true, rtol=1e-9, atol=0)
    assert found.eigenvalues.max() < 1e-70


def test_an_example_does_not_depend_on_its_batch() -> None:
    weights, images, _ = case()
    images = images * torch.linspace(0.1, 4, N, dtype=torch.float64).unsqueeze(1)
    together = find(weights, images, probes=4, vectors=1)
    for i in (0, 7, N - 1):
        alone = softmax_lanczos(
            lambda x: x @ weights.T, images[i : i + 1], generators(0, [str(i)], "curvature"),
            probes=4, vectors=1,
        )  # fmt: skip
        for name in ("eigenvalues", "trace", "standard_error"):
            torch.testing.assert_close(
                getattr(alone, name)[0], getattr(together, name)[i], rtol=1e-9, atol=0
            )
        assert (alone.vectors[0] * together.vectors[i]).sum().abs() > 1 - 1e-9


def test_equal_logits_do_not_hide_an_eigenvalue_from_the_start() -> None:
    # Classes 1 and 2 are alike in probability; along their difference the slopes are steep.
    weights = torch.tensor([[0.0, 0, 0], [9, 0, 1], [-9, 0, 1], [0, 1, 0]], dtype=torch.float64)
    found = find(weights, torch.zeros(1, 3, dtype=torch.float64))
    p = torch.full((4,), 0.25, dtype=torch.float64)
    hessian = weights.T @ (torch.diag(p) - torch.outer(p, p)) @ weights
    expected = torch.linalg.eigvalsh(hessian)[-1:]
    torch.testing.assert_close(found.eigenvalues[0], expected, rtol=1e-9, atol=0)


def test_flat_logits_have_no_curvature() -> None:
    found = find(torch.zeros(4, 5).double(), torch.rand(2, 5).double(), top=2, vectors=1)
    assert found.eigenvalues.eq(0).all()
    assert found.trace.eq(0).all()


def test_bad_input_is_one_sentence() -> None:
    weights, images, _ = case()
    with pytest.raises(InputError, match="--top: expected 1 to 49"):
        find(weights, images, top=50)
    with pytest.raises(InputError, match="--probes"):
        find(weights, images, probes=1)
