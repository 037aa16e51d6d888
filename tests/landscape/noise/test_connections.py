"""How images are connected: the straight line's barrier, and a bypass only where it is needed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from landscape.connectivity import barrier, straight_line
from landscape.loss import Loss
from landscape.noise.connections import connected, partners


class Ridge(nn.Module):
    """Two classes; the first is unlikely on a ridge across the first axis, low at its foot.

    In the plane of the first two pixels the ridge has the height `4 exp(-((x - 1/2) / 0.1)^2)` and
    falls with the second pixel, so that a path can go around it.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x, y = images.flatten(1)[:, 0], images.flatten(1)[:, 1]
        height = 8 * torch.exp(-(((x - 0.5) / 0.1) ** 2)) * (1 - y)
        return torch.stack([4 - height, torch.zeros_like(x)], 1)


def ends(n: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    first = torch.full((n, 1, 2, 2), 0.5, dtype=torch.float64)
    first[:, 0, 0, 0], first[:, 0, 0, 1] = 0.1, torch.linspace(0.2, 0.95, n).double()
    second = first.clone()
    second[:, 0, 0, 0] = 0.9
    return first, second


def test_the_straight_line_is_measured_and_a_bypass_found_where_it_climbs():
    first, second = ends()
    loss = Loss(Ridge(), torch.zeros(4, dtype=torch.int64))
    found = connected(loss, first, second, points=65)
    expected = barrier(loss, straight_line(first, second), 65).barrier.numpy()
    np.testing.assert_allclose(found["barrier"], expected)
    high = found["barrier"] > 0.08
    assert high.any()
    assert not high.all()
    assert (found["effort"] > 0).tolist() == high.tolist()
    assert (found.loc[high, "left"] < 0.1).all()
    assert (found.loc[high, "deviation"] > 0.01).all()
    assert (found.loc[~high, ["deviation", "effort"]] == 0).all(axis=None)
    assert (found.loc[~high, "left"] == found.loc[~high, "barrier"]).all()


def test_pairs_do_not_know_their_companions():
    first, second = ends()
    whole = connected(Loss(Ridge(), torch.zeros(4, dtype=torch.int64)), first, second)
    for i in range(4):
        loss = Loss(Ridge(), torch.zeros(1, dtype=torch.int64))
        alone = connected(loss, first[i : i + 1], second[i : i + 1])
        np.testing.assert_allclose(alone.iloc[0], whole.iloc[i], rtol=1e-9, atol=1e-12)


def test_identical_ends_have_no_barrier():
    first, _ = ends()
    found = connected(Loss(Ridge(), torch.zeros(4, dtype=torch.int64)), first, first)
    assert (found == 0).all(axis=None)


def test_a_partner_is_of_the_class_and_another_image_and_the_same_for_all_recipes():
    genuine = [0, 0, 1, 1, 1, 2]
    ids = list("abcdef")
    classes, names = [0, 1, 2, 1, 3], ["a", "c", "f", "z", "a"]
    chosen = partners(classes, names, genuine, ids)
    for own, name, place in zip(classes, names, chosen, strict=True):
        if place >= 0:
            assert genuine[place] == own
            assert ids[place] != name
    assert chosen[2] == -1, "the only image of its class is its own"
    assert chosen[4] == -1, "no image of that class"
    again = partners([1, 0], ["c", "a"], genuine, ids)
    assert again == [chosen[1], chosen[0]], "the choice depends on id and class alone"
    order = [5, 4, 3, 2, 1, 0]
    shuffled = partners(classes, names, [genuine[i] for i in order], [ids[i] for i in order])
    assert [order[p] if p >= 0 else -1 for p in shuffled] == chosen


@pytest.mark.parametrize("seed", range(3))
def test_the_seed_changes_the_partners(seed):
    many = [f"i{i}" for i in range(40)]
    chosen = partners([0] * 40, many, [0] * 40, many, seed=seed)
    assert chosen != partners([0] * 40, many, [0] * 40, many, seed=seed + 100)
    assert all(place != i for i, place in enumerate(chosen))
