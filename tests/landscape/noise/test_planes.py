"""Principal planes: exact on points of a plane, and the projection of what was crafted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from attacks import craft
from core.errors import InputError
from core.losses import cross_entropy, margin
from landscape.loss import Loss
from landscape.noise.drawn import drawn_ways
from landscape.noise.planes import (
    grid_around,
    loss_on,
    principal_plane,
    share_by_chance,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_points_of_a_plane_through_the_image_are_found_back_exactly():
    image = torch.rand(3, 4, 4, generator=generator(), dtype=torch.float64)
    basis, _ = torch.linalg.qr(torch.randn(48, 2, generator=generator(1), dtype=torch.float64))
    places = torch.randn(30, 2, generator=generator(2), dtype=torch.float64)
    points = image + (places @ basis.T).reshape(30, 3, 4, 4)
    plane = principal_plane(points, image)
    assert float(plane.explained.sum()) == pytest.approx(1)
    own = plane.coordinates(points)
    torch.testing.assert_close(torch.cdist(own, own), torch.cdist(places, places))
    torch.testing.assert_close(plane.points(own), points)
    gram = plane.axes.flatten(1) @ plane.axes.flatten(1).T
    torch.testing.assert_close(gram, torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(plane.coordinates(image.unsqueeze(0))[0], torch.zeros(2).double())
    assert (own.mean(0) >= 0).all()


def test_the_shares_are_those_of_a_singular_value_decomposition():
    image = torch.rand(20, generator=generator(), dtype=torch.float64)
    points = torch.randn(50, 20, generator=generator(1), dtype=torch.float64)
    values = torch.linalg.svdvals(points - image).square()
    plane = principal_plane(points, image)
    torch.testing.assert_close(plane.explained, values[:2] / values.sum())
    along = plane.coordinates(points).square().sum(0)
    torch.testing.assert_close(along, values[:2])


def test_no_other_plane_through_the_image_holds_more():
    image = torch.zeros(12, dtype=torch.float64)
    points = torch.randn(40, 12, generator=generator(3), dtype=torch.float64) + 1
    best = float(principal_plane(points, image).explained.sum())
    for seed in range(50):
        basis, _ = torch.linalg.qr(torch.randn(12, 2, generator=generator(seed)).double())
        assert float((points @ basis).square().sum() / points.square().sum()) <= best


def test_points_on_a_line_have_a_second_axis_that_explains_nothing():
    image = torch.rand(9, generator=generator())
    step = torch.randn(9, generator=generator(1))
    plane = principal_plane(image + torch.tensor([0.5, 1.0, 3.0])[:, None] * step, image)
    assert float(plane.explained[0]) == pytest.approx(1)
    assert float(plane.explained[1]) == 0
    torch.testing.assert_close(plane.axes @ plane.axes.T, torch.eye(2), atol=1e-6, rtol=0)


def test_by_chance_a_plane_holds_nine_tenths_of_a_long_random_walk():
    # The shares of Brownian motion from its start: 2 / ((k - 1/2)^2 pi^2).
    way = torch.zeros(120, 4000, dtype=torch.float64)
    way[:, 0] = torch.arange(120)
    share = share_by_chance([way], torch.zeros(4000).double(), np.random.default_rng(0), draws=3)
    expected = sum(2 / ((k - 0.5) ** 2 * np.pi**2) for k in (1, 2))
    assert share == pytest.approx(expected, abs=0.02)


def test_by_chance_starts_and_lengths_of_steps_are_kept():
    image = torch.zeros(300, dtype=torch.float64)
    far = torch.zeros(6, 300, dtype=torch.float64)
    far[:, 0] = 100 + torch.arange(6)
    near = torch.zeros(6, 300, dtype=torch.float64)
    near[:, 0] = torch.arange(6)
    stream = np.random.default_rng(0)
    assert share_by_chance([far], image, stream) > 0.99, "all of it is the start"
    still = torch.ones(4, 300, dtype=torch.float64)
    assert share_by_chance([still], image, stream) == pytest.approx(1)
    assert share_by_chance([near, near], image, stream) < 0.9


def test_what_spans_no_plane_is_refused():
    with pytest.raises(InputError, match="none differs from the image"):
        principal_plane(torch.ones(4, 5), torch.ones(5))
    with pytest.raises(InputError, match="expected"):
        principal_plane(torch.ones(4, 5), torch.ones(6))


def small_net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3)).double()
    return net.requires_grad_(False)


def test_the_loss_in_a_plane_is_the_loss_at_its_points():
    net, image = small_net(), torch.rand(1, 4, 4, generator=generator()).double()
    label = net(image.unsqueeze(0)).argmax(1)
    plane = principal_plane(torch.rand(6, 1, 4, 4, generator=generator(1)).double(), image)
    places = torch.randn(13, 2, generator=generator(2), dtype=torch.float64)
    values, leads = loss_on(Loss(net, label), plane, places, batch_size=4)
    logits = net(plane.points(places))
    torch.testing.assert_close(values, cross_entropy(logits, label.expand(13)))
    torch.testing.assert_close(leads, margin(logits, label.expand(13)))


def test_a_grid_is_square_and_holds_all_places_and_the_image():
    places = torch.tensor([[3.0, -1.0], [1.0, 0.5]])
    x, y = grid_around(places, 11)
    assert len(x) == len(y) == 11
    assert float(x[-1] - x[0]) == pytest.approx(float(y[-1] - y[0]))
    assert float(x[0]) < 0
    assert float(x[-1]) > 3
    assert float(y[0]) < -1
    assert float(y[-1]) > 0.5


def test_drawn_ways_are_the_crafted_points_projected():
    net = small_net()
    images = torch.rand(6, 1, 4, 4, generator=generator()).double()
    labels = net(images).argmax(1)
    labels[0] = (labels[0] + 1) % 3
    ids = list("abcdef")
    recipes = ["pgd(eps=0.2, steps=4, stop=false)", "minnorm(norm=l2, steps=22)"]
    table = drawn_ways(net, images, labels, recipes, 2, ids=ids, side=5)
    assert table["id"].unique().tolist() == ["b", "c"], "the first that the classifier gets right"
    made = [craft(net, images, labels, recipe, ids=ids, record=True) for recipe in recipes]
    for row, name in ((1, "b"), (2, "c")):
        own = table[table["id"] == name]
        kept = [m.trajectories.points[row][m.trajectories.run >= 0] for m in made]
        plane = principal_plane(torch.cat(kept), images[row])
        np.testing.assert_allclose(own["explained_x"], float(plane.explained[0]))
        for recipe, points in zip(recipes, kept, strict=True):
            way = own[(own["kind"] == "way") & (own["recipe"] == recipe)]
            places = plane.coordinates(points)
            np.testing.assert_allclose(way[["x", "y"]].to_numpy(float), places, atol=1e-9)
            expected = cross_entropy(net(points), labels[row].expand(len(points)))
            np.testing.assert_allclose(way["loss"].to_numpy(float), expected, rtol=1e-9)
        grid = own[own["kind"] == "grid"]
        assert len(grid) == 25
        assert grid["fooled"].to_numpy(bool).tolist() == (grid["lead"] > 0).tolist()
