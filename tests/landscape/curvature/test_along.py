from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from core.errors import InputError
from landscape.curvature import curvature_along, directions, input_hessian, random_curvature
from landscape.loss import Loss

N = 4


def case(
    activation: nn.Module, kind: str = "cross_entropy", dtype: torch.dtype = torch.float64
) -> tuple[Loss, Tensor, Tensor]:
    torch.manual_seed(0)
    body = [nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), activation, nn.Flatten()]
    net = nn.Sequential(*body, nn.Linear(54, 7)).eval()
    net.requires_grad_(False)[-1].weight.mul_(5)
    images, ways = torch.rand(N, 2, 5, 5), torch.randn(N, 3, 2, 5, 5)
    return Loss(net.to(dtype), torch.arange(N), kind), images.to(dtype), ways.to(dtype)


def literal(loss: Loss, images: Tensor, ways: Tensor) -> Tensor:
    """`v' H v / |v|^2` from the dense Hessian, one example after the other."""
    found = []
    for i in range(len(images)):
        hessian = torch.autograd.functional.hessian(
            lambda x, i=i: loss.select(slice(i, i + 1))(x.reshape(1, *images.shape[1:])).sum(),
            images[i].flatten(),
        ).double()
        v = ways[i].flatten(1).double()
        found.append(((v @ hessian) * v).sum(1) / v.square().sum(1))
    return torch.stack(found)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-9), (torch.float32, 2e-4)])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.GELU()])
@pytest.mark.parametrize("kind", ["cross_entropy", "log_probability", "margin"])
def test_it_is_the_quadratic_form_of_the_dense_hessian(
    activation: nn.Module, kind: str, dtype: torch.dtype, rtol: float
) -> None:
    loss, images, ways = case(activation, kind, dtype)
    true = literal(loss, images, ways)
    for scale in (1.0, 1e-12, 1e12):
        found = curvature_along(loss, images, scale * ways, batch_size=3)
        torch.testing.assert_close(found, true, rtol=rtol, atol=rtol * float(true.abs().max()))


def test_the_gauss_newton_part_is_given_where_it_is_asked_for() -> None:
    loss, images, ways = case(nn.GELU())
    found = curvature_along(loss, images, ways, method="gauss_newton")
    p = loss.logits(images).softmax(1)
    _, slopes = torch.func.jvp(loss.logits, (images,), (ways[:, 0],))
    mean = (p * slopes).sum(1, keepdim=True)
    expected = (p * (slopes - mean).square()).sum(1) / ways[:, 0].flatten(1).square().sum(1)
    torch.testing.assert_close(found[:, 0], expected)
    assert (found / curvature_along(loss, images, ways) - 1).abs().max() > 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gap", [0.0, 28.0, 80.0])
def test_digits_are_kept_at_any_confidence(gap: float, dtype: torch.dtype) -> None:
    net = nn.Linear(3, 2).to(dtype).requires_grad_(False)
    net.weight.copy_(torch.tensor([[2.0, 0, 0], [0, 1, 0]]))
    net.bias.copy_(torch.tensor([gap, 0]))
    loss, way = Loss(net, torch.tensor([0])), torch.tensor([[[1.0, 1.0, 0.0]]], dtype=dtype)
    found = curvature_along(loss, torch.zeros(1, 3, dtype=dtype), way)
    p = math.exp(-gap) / (1 + math.exp(-gap))
    assert found.item() == pytest.approx(p * (1 - p) / 2, rel=1e-5)


def test_a_direction_that_is_not_there_has_no_curvature() -> None:
    loss, images, ways = case(nn.ReLU())
    ways[0, 1] = 0
    ways[2, 0, 0, 0, 0] = float("nan")
    found = curvature_along(loss, images, ways)
    missing = torch.zeros(N, 3, dtype=torch.bool)
    missing[0, 1] = missing[2, 0] = True
    assert torch.equal(found.isnan(), missing)


def test_along_an_eigenvector_it_is_the_eigenvalue() -> None:
    loss, images, _ = case(nn.ReLU())
    found = input_hessian(loss, images, vectors=2)
    along = curvature_along(loss, images, found.vectors)
    torch.testing.assert_close(along, found.eigenvalues[:, :2])


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.GELU()])
def test_random_directions_see_the_trace_over_the_dimension(activation: nn.Module) -> None:
    loss, images, _ = case(activation)
    n, draws = 400, 8
    loss, images = (
        Loss(loss.classifier, torch.zeros(n, dtype=torch.int64)),
        images[:1].expand(n, -1, -1, -1),
    )
    mean, error = random_curvature(loss, images, draws=draws)
    hessian = torch.autograd.functional.hessian(
        lambda x: loss.select(slice(0, 1))(x.reshape(1, 2, 5, 5)).sum(), images[0].flatten()
    )
    true = hessian.trace() / 50
    width = stats.t.ppf(0.975, draws - 1) * error
    assert 0.9 <= ((mean - true).abs() <= width).double().mean() <= 0.99
    assert (mean.mean() - true).abs() < 4 * mean.std() / n**0.5


def test_bad_input_is_one_sentence() -> None:
    loss, images, ways = case(nn.GELU())
    with pytest.raises(InputError, match="directions: expected"):
        curvature_along(loss, images, ways[:, 0])
    with pytest.raises(InputError, match="'exact' needs a piecewise-linear network"):
        curvature_along(loss, images, ways, method="exact")
    with pytest.raises(InputError, match="--draws"):
        random_curvature(loss, images, draws=1)


def test_the_mean_of_a_class_leaves_the_image_itself_out() -> None:
    genuine = torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 9.0], [7.0, 7.0]])
    labels = torch.tensor([0, 0, 0, 2])
    means = directions.class_means(
        [(genuine[:3], labels[:3]), (genuine[3:], labels[3:])], classes=3
    )
    found = means.towards(genuine, torch.tensor([0, 0, 2, 2]), own=genuine, own_labels=labels)
    expected = torch.tensor([[3.0, 5.0], [0.0, 2.0], [3.0, -2.0], [float("nan")] * 2])
    torch.testing.assert_close(found, expected, equal_nan=True)
    others = means.towards(genuine, torch.tensor([1, 0, 2, 2]))
    expected = torch.tensor([[float("nan")] * 2, [0.0, 4 / 3], [3.0, -2.0], [0.0, 0.0]])
    torch.testing.assert_close(others, expected, equal_nan=True)


def test_the_gradient_is_that_of_each_image() -> None:
    loss, images, _ = case(nn.GELU())
    points = images.clone().requires_grad_()
    loss(points).sum().backward()
    found = directions.gradient_direction(loss, images, batch_size=3)
    torch.testing.assert_close(found, points.grad)
    with pytest.raises(InputError, match="others"):
        directions.towards(images, images[:2])
