from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from landscape.connectivity.barrier import barrier, table
from landscape.connectivity.paths import Paths, straight_line
from landscape.loss import Loss


def ends(n: int = 6, d: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.rand(2, n, d, generator=generator, dtype=torch.float64)
    return first, second


def test_a_linear_loss_has_no_barrier_on_a_straight_line() -> None:
    first, second = ends()
    slope = torch.randn(6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        return (x * slope.repeat(len(x) // 6, 1)).sum(1)

    found = barrier(loss, straight_line(first, second))
    torch.testing.assert_close(
        found.barrier, torch.zeros(6, dtype=torch.float64), atol=1e-12, rtol=0
    )
    torch.testing.assert_close(found.first, loss(first))
    torch.testing.assert_close(found.second, loss(second))
    assert (found.deviation < 1e-12).all()
    assert (found.outside == 0).all()
    assert found.kept.isnan().all()


def test_a_concave_quadratic_has_the_barrier_of_its_closed_form() -> None:
    first, second = ends(4)
    centre = (first + second) / 2

    def loss(x: Tensor) -> Tensor:
        return 3 - (x - centre.repeat(len(x) // 4, 1)).square().sum(1)

    found = barrier(loss, straight_line(first, second), points=1001)
    torch.testing.assert_close(found.barrier, (second - first).square().sum(1) / 4)
    torch.testing.assert_close(found.peak, torch.full((4,), 0.5, dtype=torch.float64))


def test_a_triangle_s_deviation_is_its_height_over_the_chord_and_its_mean_is_half_of_it() -> None:
    nodes = torch.tensor([[[0.0, 0.0], [0.5, 0.3], [1.0, 0.0]]], dtype=torch.float64)
    none = torch.zeros(1, dtype=torch.int64)
    found = barrier(lambda x: x[:, 0] * 0, Paths(nodes, "", "polyline", none, none), 1001)
    assert float(found.deviation) == pytest.approx(0.3)
    assert float(found.mean_deviation) == pytest.approx(0.15, rel=2e-3)


def test_the_mean_loss_is_that_of_the_points_and_so_are_the_losses_along_the_path() -> None:
    first, second = ends(4)

    def loss(x: Tensor) -> Tensor:
        return x.square().sum(1)

    path = straight_line(first, second)
    points = path.points(torch.linspace(0, 1, 11, dtype=torch.float64))
    expected = torch.stack([loss(p) for p in points], 1)
    found = barrier(loss, path, 11, batch_size=3)
    torch.testing.assert_close(found.losses, expected)
    torch.testing.assert_close(found.mean, expected.mean(1))


def test_the_label_s_share_and_what_lies_outside_the_box_are_counted() -> None:
    nodes = torch.tensor([[[0.0, 0.5], [1.0, 1.5]]])
    none = torch.zeros(1, dtype=torch.int64)
    loss = Loss(nn.Linear(2, 2, bias=False).requires_grad_(False), torch.tensor([0]))
    loss.classifier.weight[:] = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    loss.classifier.bias = nn.Parameter(torch.tensor([-0.6, 0.0]))
    found = barrier(loss, Paths(nodes, "", "polyline", none, none), 5)
    # 2 x > 0.6 at x = .5, .75, 1; the second pixel exceeds 1 at .75 and 1
    assert float(found.kept) == pytest.approx(3 / 5)
    assert float(found.outside) == pytest.approx(2 / 5)


def test_batch_size_changes_nothing_but_rounding() -> None:
    first, second = ends(5, 8)
    classifier = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)).double()
    loss = Loss(classifier.requires_grad_(False), torch.arange(5) % 3)
    path = straight_line(first, second)
    one, all_ = (barrier(loss, path, 33, batch_size=size) for size in (1, 500))
    for name in ("barrier", "peak", "deviation", "kept", "outside", "first", "second"):
        torch.testing.assert_close(getattr(one, name), getattr(all_, name))


def test_the_table_has_a_row_per_pair_with_what_it_cost() -> None:
    first, second = ends(3)
    path = straight_line(first, second)
    found = table(lambda x: x.sum(1), path, ids=["a", "b", "c"], points=11)
    assert list(found["id"]) == ["a", "b", "c"]
    assert set(found.columns) >= {"barrier", "deviation", "kept", "gradients", "outside"}
    assert (found["gradients"] == 0).all()


def test_no_pairs_give_no_rows() -> None:
    path = straight_line(torch.zeros(0, 3), torch.zeros(0, 3))
    assert barrier(lambda x: x.sum(1), path, 3).barrier.shape == (0,)


def test_one_point_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2"):
        barrier(lambda x: x.sum(1), straight_line(*ends()), points=1)
