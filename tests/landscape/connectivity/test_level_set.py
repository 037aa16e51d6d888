from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.errors import InputError
from landscape.connectivity.level_set import level_set
from landscape.connectivity.search import AIM


def hill(x: Tensor) -> Tensor:
    return 2 - 8 * (x - torch.tensor([0.5, 0.35], dtype=x.dtype)).norm(dim=1)


def test_every_step_of_the_walk_stays_in_the_set_and_it_ends_at_the_other_image() -> None:
    first, second = torch.tensor([[0.0, 0.4]]).double(), torch.tensor([[1.0, 0.4]]).double()
    path = level_set(hill, first, second, threshold=0.1)
    top = max(float(hill(first)), float(hill(second)))
    nodes = path.nodes[0]
    assert path.nodes.shape[1] == 65
    assert (hill(nodes) < top + 0.1).all()
    assert torch.equal(nodes[-1], second[0])
    assert nodes[:, 1].max() > 0.5  # around the hill, not through it


def test_a_step_that_stays_low_is_not_bent() -> None:
    """Up to the hill's foot the walk follows the chord exactly."""
    first, second = torch.tensor([[0.0, 0.4]]).double(), torch.tensor([[1.0, 0.4]]).double()
    nodes = level_set(hill, first, second, threshold=0.5).nodes[0]
    on_chord = (nodes[:, 1] == first[0, 1]).nonzero().squeeze(1)
    assert torch.equal(on_chord[:2], torch.tensor([0, 1]))
    assert float(nodes[1, 0]) == pytest.approx(1 / 64)


def test_on_a_linear_loss_the_walk_glides_along_the_level() -> None:
    """A start above its level is brought to it at once, then only moves along the level."""
    first, second = torch.tensor([[0.1, 0.5]]).double(), torch.tensor([[0.9, 0.5]]).double()

    def tent(x: Tensor) -> Tensor:
        return 10 * (x[:, 0] * (1 - x[:, 0]) - 0.09) - 4 * (x[:, 1] - 0.5)

    path = level_set(tent, first, second, steps=200, budget=256, threshold=0.1)
    losses = tent(path.nodes[0, 20:150])
    assert ((losses - AIM * 0.1).abs() < 0.02).all()


def test_a_walk_has_two_steps_at_least() -> None:
    with pytest.raises(InputError, match="steps"):
        level_set(hill, torch.zeros(1, 2), torch.ones(1, 2), steps=1)
