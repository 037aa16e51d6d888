from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from core.errors import InputError
from landscape.curvature import input_hessian
from landscape.loss import Loss


class Residual(nn.Module):
    """A residual block with batch normalisation, as in a ResNet."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norms[0](self.first(x)).relu()
        return (x + self.norms[1](self.second(inner))).relu()


class Branches(nn.Module):
    """Two branches side by side, as in an Inception network, one of them depthwise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.pooled = nn.MaxPool2d(3, stride=1, padding=1)
        self.mixed = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = nn.functional.leaky_relu(self.norm(self.wide(x)), 0.1)
        return torch.cat([one, self.mixed(self.pooled(x)), x], 1)


def network(name: str, dtype: torch.dtype = torch.float64, scale: float = 5.0) -> nn.Module:
    torch.manual_seed(0)
    if name == "relu":
        body = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten()]
        net = nn.Sequential(*body, nn.Linear(32, 7))
    elif name == "resnet":
        body = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
        net = nn.Sequential(
            *body, Residual(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7)
        )
    elif name == "branches":
        body = [nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.Hardtanh(-0.4, 0.4), Branches(6)]
        net = nn.Sequential(*body, nn.AvgPool2d(2, ceil_mode=True), nn.Flatten(), nn.Linear(72, 7))
    else:
        smooth = {"gelu": nn.GELU, "silu": nn.SiLU}[name]
        body = [nn.Conv2d(3, 8, 3), smooth(), nn.Conv2d(8, 8, 3), smooth(), nn.Flatten()]
        net = nn.Sequential(*body, nn.Linear(32, 7))
    for _ in range(20):
        net(torch.rand(32, 3, 6, 6))
    with torch.no_grad():
        net[-1].weight *= scale
    return net.eval().to(dtype)


def case(
    name: str, kind: str = "cross_entropy", dtype: torch.dtype = torch.float64, n: int = 3
) -> tuple[Loss, Tensor]:
    net = network(name, dtype)
    images = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(1)).to(dtype)
    return Loss(net, torch.arange(n) % 7, kind), images


def dense(loss: Loss, images: Tensor) -> Tensor:
    """The Hessian of each example, entry by entry, `(n, d, d)`."""
    found = [
        torch.autograd.functional.hessian(
            lambda x, i=i: loss.select(slice(i, i + 1))(x.reshape(1, *images.shape[1:])).sum(),
            images[i].flatten(),
            vectorize=True,
        )
        for i in range(len(images))
    ]
    return torch.stack(found).double()


def by_magnitude(values: Tensor) -> Tensor:
    return values.gather(1, values.abs().argsort(1, descending=True))


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("name", ["relu", "resnet", "branches"])
@pytest.mark.parametrize("kind", ["cross_entropy", "log_probability"])
def test_piecewise_linear_spectra_are_those_of_the_dense_hessian(
    name: str, kind: str, dtype: torch.dtype, rtol: float
) -> None:
    loss, images = case(name, kind, dtype)
    found = input_hessian(loss, images, vectors=2)
    hessian = dense(loss, images)
    true = by_magnitude(torch.linalg.eigvalsh(hessian))
    assert found.method == "exact (piecewise linear)"
    assert found.eigenvalues.shape == (3, 6)
    scale = true[:, :1].abs()
    assert ((found.eigenvalues - true[:, :6]) / scale).abs().max() < rtol
    assert (true[:, 6:] / scale).abs().max() < 10 * rtol
    torch.testing.assert_close(found.trace, true.sum(1), rtol=10 * rtol, atol=0)
    assert found.trace_standard_error.eq(0).all()
    vectors = found.vectors.flatten(2).double()
    applied = vectors @ hessian
    gap = applied - found.eigenvalues[:, :2, None] * vectors
    assert (gap.norm(dim=2) / scale).max() < 10 * rtol
    assert found.vectors.shape == (3, 2, 3, 6, 6)


@pytest.mark.parametrize("name", ["relu", "resnet", "branches"])
def test_the_margin_of_a_piecewise_linear_network_has_no_curvature(name: str) -> None:
    loss, images = case(name, "margin")
    found = input_hessian(loss, images)
    assert found.eigenvalues.eq(0).all()
    assert found.trace.eq(0).all()
    assert dense(loss, images).eq(0).all()


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_of_a_smooth_network_the_closed_form_is_the_gauss_newton_part(name: str) -> None:
    loss, images = case(name)
    found = input_hessian(loss, images)
    assert found.method == "Gauss-Newton"
    for i in range(len(images)):
        slope = torch.autograd.functional.jacobian(
            lambda x: loss.logits(x.reshape(1, 3, 6, 6))[0], images[i].flatten()
        )
        p = loss.logits(images[i : i + 1])[0].softmax(0)
        part = slope.T @ (torch.diag(p) - torch.outer(p, p)) @ slope
        torch.testing.assert_close(found.eigenvalues[i], torch.linalg.eigvalsh(part).flip(0)[:6])
    true = by_magnitude(torch.linalg.eigvalsh(dense(loss, images)))
    assert (found.top / true[:, 0] - 1).abs().max() > 0.01


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("name", ["relu", "resnet", "gelu", "silu"])
@pytest.mark.parametrize("kind", ["cross_entropy", "margin"])
def test_lanczos_gives_the_whole_hessian(
    name: str, kind: str, dtype: torch.dtype, rtol: float
) -> None:
    loss, images = case(name, kind, dtype)
    found = input_hessian(loss, images, method="lanczos", top=3, vectors=1)
    hessian = dense(loss, images)
    true = by_magnitude(torch.linalg.eigvalsh(hessian))
    assert found.method == "Lanczos"
    scale = true[:, :1].abs().clamp_min(1e-300)
    assert ((found.eigenvalues - true[:, :3]) / scale).abs().max() < rtol
    rounding = 20 * torch.finfo(dtype).eps * scale
    assert ((found.eigenvalues - true[:, :3]).abs() <= found.error + rounding).all()
    assert found.vectors.shape == (3, 1, 3, 6, 6)
    gap = found.trace - hessian.diagonal(dim1=1, dim2=2).sum(1)
    assert (gap.abs() <= 5 * found.trace_standard_error + 20 * rounding[:, 0]).all()


def test_the_margin_of_a_smooth_network_goes_to_lanczos() -> None:
    loss, images = case("gelu", "margin", n=1)
    assert input_hessian(loss, images).method == "Lanczos"


@pytest.mark.parametrize("gap", [28.0, 80.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["exact", "lanczos"])
def test_curvature_survives_extreme_confidence(gap: float, dtype: torch.dtype, method: str) -> None:
    weights = torch.tensor([[2.0, 0, 0], [0, 1, 0]], dtype=dtype)
    net = nn.Linear(3, 2).to(dtype).requires_grad_(False)
    net.weight.copy_(weights)
    net.bias.copy_(torch.tensor([gap, 0]))
    loss = Loss(net, torch.tensor([0]))
    found = input_hessian(loss, torch.zeros(1, 3, dtype=dtype), method=method)
    p = math.exp(-gap) / (1 + math.exp(-gap))
    assert found.top.item() == pytest.approx(5 * p * (1 - p), rel=1e-5)
    assert found.trace.item() == pytest.approx(5 * p * (1 - p), rel=1e-5)


def test_quadratics_are_exact_to_the_stated_error() -> None:
    n, d = 1000, 16
    root = torch.randn(d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = (root + root.T) / 2
    found = input_hessian(
        lambda x: torch.einsum("ni,ij,nj->n", x, matrix, x) / 2,
        torch.rand(n, d, dtype=torch.float64),
        steps=4,
    )
    true = torch.linalg.eigvalsh(matrix)
    distance = (found.top[:, None] - true).abs().amin(1)
    assert (distance <= found.error[:, 0] * (1 + 1e-9)).all()
    width = stats.t.ppf(0.975, 15) * found.trace_standard_error
    covered = ((found.trace - torch.trace(matrix)).abs() <= width).double().mean()
    assert 0.93 <= covered <= 0.97
    mean = found.trace.mean() - torch.trace(matrix)
    assert mean.abs() < 4 * found.trace.std() / n**0.5


def test_a_linear_loss_has_no_curvature() -> None:
    found = input_hessian(lambda x: x.flatten(1).sum(1), torch.rand(2, 3, 2, 2))
    assert found.top.eq(0).all()
    assert found.trace.eq(0).all()


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_some_eigenvalues_of_many_classes_are_those_of_the_dense_hessian(
    dtype: torch.dtype, rtol: float
) -> None:
    loss, images = many_classes(dtype)
    hessian = dense(loss, images)
    true = torch.linalg.eigvalsh(hessian).flip(1)
    found = input_hessian(loss, images, top=3, vectors=3, share=0)
    assert found.method == "exact (piecewise linear)"
    assert ((found.eigenvalues - true[:, :3]) / true[:, :1]).abs().max() < rtol
    assert (found.error <= 1e-3 * true[:, :1]).all()
    vectors = found.vectors.flatten(2).double()
    gap = vectors @ hessian - found.eigenvalues[:, :, None] * vectors
    assert (gap.norm(dim=2) / true[:, :1]).max() < (1e-3 if dtype == torch.float32 else 1e-6)
    assert ((found.trace - true.sum(1)).abs() <= 4 * found.trace_standard_error).all()


def test_each_example_takes_the_cheaper_way_and_both_agree() -> None:
    loss, images = many_classes(torch.float64, n=8)
    images = images * torch.logspace(-1, 1.5, 8, dtype=torch.float64).reshape(-1, 1, 1, 1)
    every = input_hessian(loss, images, classes=100, share=0)
    found = input_hessian(loss, images, top=2, probes=4)
    by_class = found.error[:, 0] > 1e-7 * found.top
    assert 0 < by_class.sum() < 8
    gap = every.eigenvalues[:, :2] - found.eigenvalues
    assert (gap >= -1e-9 * every.top[:, None]).all()
    assert (gap <= found.error + 1e-9 * every.top[:, None]).all()
    assert ((found.trace - every.trace).abs() <= 8 * found.trace_standard_error + 1e-12).all()
    order = torch.tensor([5, 2, 7, 0, 6, 3, 1, 4])
    again = input_hessian(
        loss.select(order), images[order], top=2, probes=4, ids=[str(int(i)) for i in order],
        batch_size=3,
    )  # fmt: skip
    torch.testing.assert_close(again.eigenvalues, found.eigenvalues[order], rtol=1e-9, atol=0)
    torch.testing.assert_close(again.trace, found.trace[order], rtol=1e-9, atol=0)


def test_without_probes_there_is_no_trace_but_the_eigenvalues_are_the_same() -> None:
    loss, images = many_classes(torch.float64)
    for options in ({"top": 2}, {"top": 2, "method": "lanczos"}):
        without, with_ = (input_hessian(loss, images, probes=k, **options) for k in (0, 8))
        torch.testing.assert_close(without.eigenvalues, with_.eigenvalues, rtol=1e-7, atol=0)
        assert without.trace.isnan().all()
        assert with_.trace.isfinite().all()


def many_classes(dtype: torch.dtype, n: int = 3) -> tuple[Loss, Tensor]:
    torch.manual_seed(0)
    body = [nn.Conv2d(2, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 60)]
    net = nn.Sequential(*body).requires_grad_(False)
    net[-1].weight *= 8
    images = torch.rand(n, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    return Loss(net.eval().to(dtype), torch.arange(n)), images.to(dtype)


@pytest.mark.parametrize("method", ["exact", "lanczos"])
def test_nothing_is_left_behind(method: str) -> None:
    loss, images = case("relu")
    before = torch.get_rng_state()
    flags = [p.requires_grad for p in loss.classifier.parameters()]
    with torch.no_grad():
        found = input_hessian(loss, images, method=method, vectors=1)
    assert not found.vectors.requires_grad
    assert torch.equal(before, torch.get_rng_state())
    assert [p.requires_grad for p in loss.classifier.parameters()] == flags
    assert all(p.grad is None for p in loss.classifier.parameters())
    assert images.grad is None
    assert not images.requires_grad


def test_bad_input_is_one_sentence() -> None:
    loss, images = case("gelu", n=1)
    with pytest.raises(InputError, match="'exact' needs a piecewise-linear network, found gelu"):
        input_hessian(loss, images, method="exact")
    with pytest.raises(InputError, match="did you mean 'lanczos'"):
        input_hessian(loss, images, method="lancos")
    with pytest.raises(InputError, match="needs a classifier's Loss"):
        input_hessian(lambda x: x.flatten(1).sum(1), images, method="exact")
    with pytest.raises(InputError, match="--classes"):
        input_hessian(loss, images, classes=0)
    with pytest.raises(InputError, match="--top: expected at most 6"):
        input_hessian(loss, images, top=7)
    with pytest.raises(InputError, match="--top: expected at least as many as --vectors"):
        input_hessian(loss, images, top=1, vectors=2)
    with pytest.raises(InputError, match="--vectors: expected at most 6"):
        input_hessian(loss, images, vectors=7)
    with pytest.raises(InputError, match="--probes"):
        input_hessian(loss, images, probes=1)
    with pytest.raises(InputError, match="--share"):
        input_hessian(many_classes(torch.float64)[0], images[:, :2], share=1.0)
    for method in ("auto", "lanczos"):
        with pytest.raises(InputError, match="not finite"):
            input_hessian(loss, images * float("nan"), method=method)
