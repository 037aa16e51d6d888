"""Piecewise linearity is read off the operations that really run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.models import build_network, is_piecewise_linear, smooth_operations


class Of(nn.Module):
    """A function as a network, with a weight for it to use."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.full((4, 4), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.weight)


def into_a_buffer(x: Tensor, w: Tensor) -> Tensor:
    buffer = torch.zeros_like(x)
    buffer[:, :, 1:] = x[:, :, 1:]
    return buffer


LINEAR: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu in place": lambda x, w: (x + 0).relu_(),
    "leaky, hard and clipped": lambda x, w: F.hardtanh(F.leaky_relu(F.hardsigmoid(x))).clamp(0),
    "a smooth function of the weights": lambda x, w: x @ w.softmax(1) * torch.exp(w).sum(),
    "division by a function of the weights": lambda x, w: x / w.norm(),
    "a mask made by a comparison": lambda x, w: x * (x > 0) * (x < 1).float(),
    "pooling, padding, interpolation": lambda x, w: F.interpolate(
        F.pad(F.max_pool2d(x, 2) + F.avg_pool2d(x, 2), (1, 1, 1, 1), mode="replicate"), 8
    ),
    "maximum of two activations": lambda x, w: torch.maximum(x @ w, x) + torch.where(x > 0, x, -x),
    "dropout and batch norm in eval mode": lambda x, w: F.dropout(
        F.batch_norm(x, w[0, :3], w[0, :3], training=False), 0.5, False
    ),
    "a buffer written to": into_a_buffer,
    "a weight given as an activation": lambda x, w: F.prelu(x, w[0, :1]),
}
SMOOTH: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "a functional gelu": (lambda x, w: F.gelu(x), "gelu"),
    "sigmoid in place": (lambda x, w: (x + 0).sigmoid_(), "sigmoid"),
    "tanh": (lambda x, w: torch.tanh(x), "tanh"),
    "silu": (lambda x, w: F.silu(x), "silu"),
    "hardswish": (lambda x, w: F.hardswish(x), "hardswish"),
    "softplus": (lambda x, w: F.softplus(x), "softplus"),
    "elu": (lambda x, w: F.elu(x), "elu"),
    "a power": (lambda x, w: x**2, "pow"),
    "exp through a buffer": (lambda x, w: into_a_buffer(x, w).exp(), "exp"),
    "layer norm": (lambda x, w: F.layer_norm(x, (4,)), "layer_norm"),
    "group norm": (lambda x, w: F.group_norm(x, 3), "group_norm"),
    "instance norm": (lambda x, w: F.instance_norm(x), "batch_norm in training mode"),
    "batch norm of the batch": (
        lambda x, w: F.batch_norm(x, None, None, training=True),
        "batch_norm in training mode",
    ),
    "product of two activations": (lambda x, w: x * x.relu(), "mul of two activations"),
    "matrix product of two activations": (lambda x, w: x @ x, "bmm of two activations"),
    "gating": (lambda x, w: x * F.hardsigmoid(x.mean((2, 3), True)), "mul of two activations"),
    "division by an activation": (lambda x, w: w / (x + 1), "div by an activation"),
    "attention": (
        lambda x, w: F.scaled_dot_product_attention(x, x, x),
        "scaled_dot_product_flash_attention_for_cpu",
    ),
    "a value taken to Python": (lambda x, w: x * x.max().item(), "local_scalar_dense"),
}


@pytest.mark.parametrize("name", LINEAR)
def test_piecewise_linear_operations_are_known(name: str) -> None:
    assert smooth_operations(Of(LINEAR[name]), torch.rand(2, 3, 4, 4)) == ()


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_operations_are_named(name: str) -> None:
    function, reason = SMOOTH[name]
    assert smooth_operations(Of(function), torch.rand(2, 3, 4, 4)) == (reason,)


@pytest.mark.parametrize(
    ("spec", "size", "expected"),
    [
        ("digits_convnet", 8, True),
        ("digits_mlp", 8, True),
        ("digits_residual", 8, False),
        ("digits_patches", 8, False),
        ("resnet18", 32, True),
        ("mobilenet_v2", 32, True),
        ("shufflenet_v2_x0_5", 32, True),
        ("densenet121", 32, True),
        ("squeezenet1_1", 32, True),
        ("efficientnet_b0", 32, False),
        ("mobilenet_v3_small", 32, False),
        ("convnext_tiny", 32, False),
        ("swin_t", 32, False),
    ],
)
def test_networks_are_judged_right(spec: str, size: int, expected: bool) -> None:
    channels = 1 if spec.startswith("digits") else 3
    network = build_network(spec, num_classes=5)
    assert is_piecewise_linear(network, torch.rand(1, channels, size, size)) is expected


def test_the_network_stays_as_it_was() -> None:
    network = build_network("digits_convnet", num_classes=3).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert is_piecewise_linear(network, torch.rand(1, 1, 8, 8))
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(before[n], value) for n, value in network.state_dict().items())
