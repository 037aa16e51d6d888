from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from landscape.curvature.frozen_layers import frozen_layers

CONVOLUTIONS = {
    "plain": (nn.Conv2d(3, 4, 3), (2, 3, 6, 6)),
    "strided": (nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), (2, 4, 7, 5)),
    "grouped and dilated": (nn.Conv2d(4, 8, 3, dilation=2, groups=4), (2, 4, 9, 9)),
    "depthwise": (nn.Conv2d(4, 4, (3, 1), padding=(1, 0), groups=4), (2, 4, 5, 5)),
    "one dimension": (nn.Conv1d(3, 4, 3, padding=1), (2, 3, 8)),
    "three dimensions": (nn.Conv3d(2, 3, 2), (2, 2, 4, 4, 4)),
    "same padding": (nn.Conv2d(3, 4, 3, padding="same"), (2, 3, 5, 5)),
    "reflected": (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (2, 3, 5, 5)),
    "no batch": (nn.Conv2d(3, 4, 3), (3, 6, 6)),
    "transposed": (nn.ConvTranspose2d(3, 4, 3), (2, 3, 4, 4)),
}


def derivatives(layer: nn.Module, x: Tensor, *, frozen: bool) -> list[Tensor]:
    """Value, gradient, and Hessian-vector product of the sum of the layer's cubes."""
    x = x.clone().requires_grad_()
    if frozen:
        with frozen_layers():
            value = layer(x).pow(3).sum()
    else:
        value = layer(x).pow(3).sum()
    (slope,) = torch.autograd.grad(value, x, create_graph=True)
    (product,) = torch.autograd.grad(slope, x, torch.ones_like(x).cumsum(-1), create_graph=True)
    (third,) = torch.autograd.grad(product.square().sum(), x)
    return [value, slope, product, third]


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_have_the_same_derivatives_of_any_order(name: str) -> None:
    layer, shape = CONVOLUTIONS[name]
    layer = layer.double().requires_grad_(False)
    x = torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for a, b in zip(
        derivatives(layer, x, frozen=True), derivatives(layer, x, frozen=False), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("options", [{}, {"affine": False}, {"track_running_stats": False}])
@pytest.mark.parametrize("training", [False, True])
def test_batch_normalisation_has_the_same_derivatives(
    options: dict[str, bool], training: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(3, **options).double().train()
    layer(2 + torch.rand(8, 3, 4, 4).double())
    for parameter in layer.parameters():
        torch.nn.init.uniform_(parameter, 0.5, 2)
    layer.train(training).requires_grad_(False)
    x = torch.rand(4, 3, 4, 4, dtype=torch.float64)
    statistics = [b.clone() for b in layer.buffers()]
    kept = derivatives(layer, x, frozen=False)
    for buffer, before in zip(layer.buffers(), statistics, strict=True):
        buffer.copy_(before)
    for a, b in zip(derivatives(layer, x, frozen=True), kept, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


class _Counting(TorchDispatchMode):
    """Counts convolutions, wherever they come from."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func._schema.name == "aten::convolution"
        return func(*args, **(kwargs or {}))


def test_a_product_with_the_jacobian_is_one_convolution_for_each_layer() -> None:
    layer = nn.Conv2d(3, 4, 3).requires_grad_(False)
    counts = {}
    for frozen in (False, True):
        x = torch.rand(2, 3, 6, 6).requires_grad_()
        weights = torch.ones(2, 4, 4, 4, requires_grad=True)
        if frozen:
            with frozen_layers():
                value = layer(x)
        else:
            value = layer(x)
        (slope,) = torch.autograd.grad(value, x, weights, create_graph=True)
        with _Counting() as seen:
            torch.autograd.grad(slope, weights, torch.ones_like(x))
        counts[frozen] = seen.count
    assert counts == {False: 2, True: 1}  # torch computes the weights' part, too


def test_outside_of_the_block_nothing_has_changed() -> None:
    with frozen_layers():
        pass
    layer = nn.Conv2d(1, 1, 1)
    layer(torch.rand(1, 1, 2, 2)).sum().backward()
    assert layer.weight.grad is not None
    assert functional.conv2d is torch.conv2d
