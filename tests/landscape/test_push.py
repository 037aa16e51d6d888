from __future__ import annotations

import pytest
import torch
from torch import Tensor

from core.errors import InputError
from core.losses import cross_entropy
from landscape.loss import Loss
from landscape.push import Push, log_odds, push_of, smoothed

FAR = torch.tensor([torch.inf], dtype=torch.float64)


def laplacian(height: int, width: int) -> Tensor:
    """Sum of squared differences of neighbouring pixels, as a dense matrix."""
    size = height * width
    matrix = torch.zeros(size, size, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            for other in ((y + 1, x), (y, x + 1)):
                if other[0] < height and other[1] < width:
                    difference = torch.zeros(size, dtype=torch.float64)
                    difference[y * width + x] = 1
                    difference[other[0] * width + other[1]] = -1
                    matrix += torch.outer(difference, difference)
    return matrix


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_smoothing_solves_the_dense_system() -> None:
    images = random(2, 3, 4, 5)
    system = torch.eye(20, dtype=torch.float64) + 2.5 * laplacian(4, 5)
    expected = torch.linalg.solve(system, images.reshape(6, 20).T).T.reshape(images.shape)
    torch.testing.assert_close(smoothed(images, 2.5), expected)


@pytest.mark.parametrize("variation", [0.0, 3.0])
def test_the_step_is_the_shortest_in_its_metric_that_reaches_the_level(variation: float) -> None:
    """Against the KKT system of `min d' M d` subject to `g . d = fall` and `axis . d = 0`."""
    gradient, axis = random(1, 1, 3, 4, seed=1), random(1, 1, 3, 4, seed=2)
    points = torch.full((1, 1, 3, 4), 0.5, dtype=torch.float64)
    value, level = torch.tensor([0.3]).double(), torch.tensor([0.25]).double()
    metric = torch.eye(12, dtype=torch.float64) + variation * laplacian(3, 4)
    rows = torch.stack([gradient.flatten(), axis.flatten()])
    system = torch.cat(
        [torch.cat([metric, rows.T], 1), torch.cat([rows, torch.zeros(2, 2).double()], 1)]
    )
    right = torch.zeros(14, dtype=torch.float64)
    right[12] = -0.05
    expected = torch.linalg.solve(system, right)[:12].reshape(points.shape)
    found = Push(False, variation)(points, value, gradient, level, axis, FAR) - points
    torch.testing.assert_close(found, expected)


def test_pixels_that_the_box_holds_are_left_out_and_the_others_do_their_work() -> None:
    points = torch.tensor([[0.0, 0.5, 0.5]], dtype=torch.float64)
    gradient = torch.tensor([[5.0, 1.0, 0.0]], dtype=torch.float64)
    axis = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    value, level = torch.tensor([0.2]).double(), torch.tensor([0.0]).double()
    found = Push(False)(points, value, gradient, level, axis, FAR)
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.3, 0.5]], dtype=torch.float64))


def test_through_log_odds_one_step_solves_a_logistic_loss() -> None:
    weights = random(1, 6)
    points = torch.full((1, 6), 0.5, dtype=torch.float64, requires_grad=True)

    def loss(x: Tensor) -> Tensor:
        return cross_entropy(torch.stack([x @ weights[0], 0 * x[:, 0]], 1), torch.tensor([0]))

    value = loss(points)
    (gradient,) = torch.autograd.grad(value.sum(), points)
    level = torch.tensor([0.4], dtype=torch.float64)
    found = Push(True)(
        points.detach(), value.detach(), gradient, level, torch.zeros_like(points), FAR
    )
    torch.testing.assert_close(loss(found), level)
    torch.testing.assert_close(log_odds(value), -(points.detach() @ weights[0]))


def test_a_step_is_cut_to_the_longest() -> None:
    points = torch.full((1, 2), 0.5, dtype=torch.float64)
    gradient = torch.tensor([[1e-9, 0.0]], dtype=torch.float64)
    one, nothing = torch.ones(1).double(), torch.zeros(1, 2).double()
    found = Push(False)(points, one, gradient, 0 * one, nothing, 0.1 * one)
    torch.testing.assert_close(found, torch.tensor([[0.4, 0.5]], dtype=torch.float64))


def test_a_step_ends_at_the_box() -> None:
    points = torch.tensor([[0.1, 0.5]], dtype=torch.float64)
    gradient = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    one, nothing = torch.ones(1).double(), torch.zeros(1, 2).double()
    found = Push(False)(points, 0.8 * one, gradient, 0 * one, nothing, FAR)
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.1]], dtype=torch.float64))


def test_a_vanished_gradient_moves_nothing() -> None:
    points = torch.full((1, 2), 0.5, dtype=torch.float64)
    one, nothing = torch.ones(1).double(), torch.zeros(1, 2).double()
    assert torch.equal(Push(False)(points, one, nothing, 0 * one, nothing, one), points)


def test_only_a_cross_entropy_goes_through_its_odds() -> None:
    classifier, labels = torch.nn.Identity(), torch.tensor([0])
    assert push_of(Loss(classifier, labels)).odds
    assert not push_of(Loss(classifier, labels, "margin")).odds
    assert not push_of(lambda x: x.sum(1)).odds
    with pytest.raises(InputError, match="variation"):
        push_of(None, -1.0)
    with pytest.raises(InputError, match=r"\(n, c, h, w\)"):
        smoothed(torch.zeros(2, 3), 1.0)
