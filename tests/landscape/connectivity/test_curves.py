from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from core.errors import InputError
from landscape.connectivity.curves import MOMENTUM, bezier, drawn, hats, polychain
from landscape.connectivity.paths import Paths

BUDGET, DRAWS, RATE, BENDS = 40, 5, 0.03, 2
STEPS = BUDGET // DRAWS


def bumpy(x: Tensor) -> Tensor:
    return 5 - 5 * (x - 0.4).square().sum(1) + torch.sin(5 * x).prod(1)


def polyline_at(nodes: list[Tensor], t: float) -> Tensor:
    place = t * (len(nodes) - 1)
    before = min(int(place), len(nodes) - 2)
    return nodes[before] + (place - before) * (nodes[before + 1] - nodes[before])


def bezier_at(nodes: list[Tensor], t: float) -> Tensor:
    while len(nodes) > 1:
        nodes = [(1 - t) * a + t * b for a, b in pairwise(nodes)]
    return nodes[0]


def unit(rows: list[Tensor]) -> list[Tensor]:
    length = math.sqrt(sum(float(r.square().sum()) for r in rows))
    return [r / length for r in rows]


def literally(at: Callable[[list[Tensor], float], Tensor], first: Tensor, second: Tensor) -> Tensor:
    """Minimise the mean loss of one pair, node by node and place by place, with autograd."""
    inner = [first + (i + 1) / (BENDS + 1) * (second - first) for i in range(BENDS)]
    velocity = [torch.zeros_like(first) for _ in inner]
    for step in range(STEPS):
        leaves = [node.clone().requires_grad_() for node in inner]
        total = sum(
            bumpy(at([first, *leaves, second], float(t))[None])[0] for t in drawn(step, DRAWS)
        )
        slopes = unit(list(torch.autograd.grad(total, leaves)))
        velocity = [MOMENTUM * v + g for v, g in zip(velocity, slopes, strict=True)]
        size = RATE * (1 + math.cos(math.pi * step / STEPS)) * float((second - first).norm())
        moves = unit(velocity)
        inner = [(x - size * v).clamp(0, 1) for x, v in zip(inner, moves, strict=True)]
    return torch.stack([first, *inner, second])


@pytest.mark.parametrize(("method", "at"), [(polychain, polyline_at), (bezier, bezier_at)])
def test_nodes_are_those_of_a_literal_minimisation(
    method: Callable[..., Paths], at: Callable[[list[Tensor], float], Tensor]
) -> None:
    first, second = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(1)).double()
    path = method(
        bumpy, first, second, bends=BENDS, budget=BUDGET, draws=DRAWS, rate=RATE, threshold=1e-9
    )
    assert (path.gradients == BUDGET).any()
    for i in range(3):
        if int(path.gradients[i]) == BUDGET:  # a pair that was low enough stopped earlier
            expected = literally(at, first[i], second[i])
            torch.testing.assert_close(path.nodes[i], expected, atol=1e-9, rtol=0)


def test_hats_are_the_weights_of_a_polyline() -> None:
    nodes = list(torch.rand(4, 3, generator=torch.Generator().manual_seed(0)).double())
    at = torch.linspace(0, 1, 14, dtype=torch.float64)
    found = hats(at, 4) @ torch.stack(nodes)
    torch.testing.assert_close(found, torch.stack([polyline_at(nodes, float(t)) for t in at]))


def test_each_step_looks_at_every_part_of_the_path_and_at_other_places_than_the_last() -> None:
    for step in range(5):
        places = drawn(step, 8)
        assert torch.equal((places * 8).floor(), torch.arange(8.0).double())
        assert (places - drawn(step + 1, 8)).abs().min() > 0.01


def test_bad_settings_are_named() -> None:
    images = torch.rand(1, 3)
    for bad in ({"bends": 0}, {"draws": 0}, {"rate": 0.0}):
        with pytest.raises(InputError, match="bends >= 1"):
            polychain(bumpy, images, images, **bad)  # type: ignore[arg-type]
