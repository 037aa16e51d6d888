from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.errors import InputError
from landscape.connectivity.elastic_band import elastic_band, tangents

CENTRE = torch.tensor([0.5, -0.2], dtype=torch.float64)


def valley(x: Tensor) -> Tensor:
    return 20 * ((x - CENTRE).norm(dim=1) - 0.29**0.5).square()


def basins() -> tuple[Tensor, Tensor]:
    return torch.zeros(1, 2).double(), torch.tensor([[1.0, 0.0]]).double()


def tangent_literally(nodes: Tensor, losses: list[float], i: int) -> Tensor:
    """Equations 8 to 11 of Henkelman and Jonsson (2000), for one node."""
    before, after = nodes[i] - nodes[i - 1], nodes[i + 1] - nodes[i]
    before, after = before / before.norm(), after / after.norm()
    low, own, high = losses[i - 1 : i + 2]
    if low < own < high:
        return after
    if low > own > high:
        return before
    larger, smaller = sorted([abs(high - own), abs(low - own)], reverse=True)
    mixed = larger * after + smaller * before if high > low else smaller * after + larger * before
    return mixed / mixed.norm()


@pytest.mark.parametrize("seed", range(20))
def test_tangents_are_those_of_the_improved_estimate(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    nodes = torch.rand(2, 6, 3, generator=generator, dtype=torch.float64)
    losses = torch.rand(2, 6, generator=generator, dtype=torch.float64)
    found = tangents(nodes, losses)
    for pair in range(2):
        for i in range(1, 5):
            expected = tangent_literally(nodes[pair], losses[pair].tolist(), i)
            torch.testing.assert_close(found[pair, i - 1], expected)


def test_springs_space_the_nodes_evenly() -> None:
    def unevenness(spring: float) -> float:
        path = elastic_band(valley, *basins(), spring=spring, threshold=0.005, budget=512)
        gaps = path.nodes.diff(dim=1).norm(dim=2)
        return float(gaps.std() / gaps.mean())

    assert unevenness(1.0) < 0.7 * unevenness(0.0)


def test_nodes_are_inserted_only_while_the_path_is_too_high() -> None:
    few, many = (elastic_band(valley, *basins(), threshold=t) for t in (1.0, 0.05))
    assert few.nodes.shape[1] < many.nodes.shape[1]
    easy = elastic_band(valley, *basins(), threshold=3.0)
    assert easy.nodes.shape[1] == 2


def test_a_spring_is_a_share() -> None:
    with pytest.raises(InputError, match="spring"):
        elastic_band(valley, *basins(), spring=2.0)
