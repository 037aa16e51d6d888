"""A small net whose noisy twins are hard to get right, images for it, and weights around it."""

from __future__ import annotations

import copy

import torch
from torch import nn

from core import randomness


class Tied(nn.Module):
    """A convolution, a frozen normalisation, and two uses of one matrix."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.first = nn.Linear(6 * 25, 6 * 25, bias=False)
        self.again = nn.Linear(6 * 25, 6 * 25, bias=False)
        self.again.weight = self.first.weight
        self.head = nn.Linear(6 * 25, classes)

    def forward(self, x):
        x = torch.tanh(self.norm(self.conv(2 * x - 1))).flatten(1)
        return 10 * self.head(torch.tanh(self.again(torch.relu(self.first(x)))))


def net(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Tied().double()
        model.norm.running_mean.normal_(std=0.1)
        model.norm.running_var.uniform_(0.5, 1.5)
        return model.eval()


def data(model: nn.Module, n: int = 10, wrong: int = 1):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(n, 2, 5, 5, generator=generator, dtype=torch.float64)
    labels = model(images).argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % 4
    return images, labels


def collected(model: nn.Module, count: int = 3) -> list[dict[str, torch.Tensor]]:
    """Weights around a model's, with statistics of their own."""
    states = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        noisy = copy.deepcopy(model)
        with torch.no_grad():
            for tensor in (*noisy.parameters(), noisy.norm.running_mean):
                tensor += 0.1 * torch.randn(tensor.shape, generator=generator).to(tensor)
        states.append(noisy.state_dict())
    return states


def copied(model: nn.Module, kind: str, scale: float, generator: torch.Generator) -> nn.Module:
    """A noisy model as one would write it: a copy, its parameters changed filter by filter."""
    noisy = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in noisy.parameters():
            if kind != "gaussian" and parameter.ndim < 2:
                continue
            if kind == "dropout":
                kept = torch.empty(parameter.shape).bernoulli_(1 - scale, generator=generator)
                parameter.copy_(torch.where(kept == 1, parameter / (1 - scale), 0.0))
                continue
            z = torch.randn(parameter.shape, generator=generator).double()
            if kind == "gaussian":
                parameter += scale * (parameter**2).mean() ** 0.5 * z
                continue
            for i, row in enumerate(parameter):
                row += scale * row.norm() * z[i] / z[i].norm()
    return noisy


def generator_of(seed: int, step: int) -> torch.Generator:
    stream = randomness.generator(seed, "", f"noisy classifier {step}")
    return torch.Generator().manual_seed(int(stream.integers(2**63)))
