"""What holds for every way to find a path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.errors import InputError
from landscape.connectivity import (
    Paths,
    barrier,
    bezier,
    bypass,
    elastic_band,
    level_set,
    polychain,
)
from landscape.loss import Loss

METHODS: dict[str, Callable[..., Paths]] = {
    "bypass": bypass,
    "polychain": polychain,
    "bezier": bezier,
    "elastic_band": elastic_band,
    "level_set": level_set,
}
CENTRE = torch.tensor([0.5, -0.2], dtype=torch.float64)
RADIUS = 0.29**0.5
STEEP = 20.0


def valley(x: Tensor) -> Tensor:
    """Two basins, (0, 0) and (1, 0), joined by the arc of a circle: its floor is the known path."""
    return STEEP * ((x.flatten(1) - CENTRE).norm(dim=1) - RADIUS).square()


def basins(n: int = 1) -> tuple[Tensor, Tensor]:
    first = torch.zeros(n, 1, 1, 2, dtype=torch.float64)
    second = first.clone()
    second[..., 0] = 1
    return first, second


def problem(n: int = 6, seed: int = 0) -> tuple[Loss, Tensor, Tensor]:
    """A small ReLU network with pairs of images that it takes for one class."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(*shape) for shape in ((48, 64), (64, 32), (32, 3))]
        for layer in layers:
            layer.weight.data *= 8
        # Centred on grey, so that the classes meet in the midst of the images.
        layers[0].bias.data = -layers[0].weight.sum(1) / 2 + torch.randn(64)
        classifier = nn.Sequential(
            nn.Flatten(), layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2]
        )
        # Most pixels black or white: there the box is in the way.
        images = (2 * torch.rand(400, 3, 4, 4).double() - 0.5).clamp(0, 1)
    classifier = classifier.double().eval().requires_grad_(False)
    classes = classifier(images).argmax(1)
    label = int(classes.mode().values)
    images = images[classes == label]
    loss = Loss(classifier, torch.full((len(images) // 2,), label))
    half = len(images) // 2
    first, second = images[:half], images[half : 2 * half]
    hard = barrier(loss, Paths(torch.stack([first, second], 1), "", "polyline",
                               *[torch.zeros(half, dtype=torch.int64)] * 2), 65)  # fmt: skip
    worst = hard.barrier.argsort(descending=True)[:n]
    return loss.select(worst), first[worst], second[worst]


@pytest.mark.parametrize("name", METHODS)
def test_between_two_basins_the_path_found_is_the_known_one(name: str) -> None:
    options: dict[str, Any] = (
        {"budget": 512, "rate": 0.05} if name in ("polychain", "bezier") else {}
    )
    path = METHODS[name](valley, *basins(), threshold=0.1, **options)
    straight = STEEP * (RADIUS - 0.2) ** 2
    assert straight > 2
    points = path.points(torch.linspace(0, 1, 1001, dtype=torch.float64)).reshape(-1, 2)
    off = ((points - CENTRE).norm(dim=1) - RADIUS).abs()
    # Within the valley, where the loss is below the threshold: all of the path is near its floor.
    assert off.max() < (0.1 / STEEP) ** 0.5
    assert float(barrier(valley, path).barrier) < 0.1


PASS, HEIGHT = 0.8, 0.3


def wall(x: Tensor) -> Tensor:
    """A wall between (0, .5) and (1, .5), lowest at the pass (.5, .8): a saddle of known height."""
    along, across = x.flatten(1).T
    return (1 - (2 * along - 1) ** 2) ** 2 * (HEIGHT + 40 * (across - PASS) ** 2)


def sides() -> tuple[Tensor, Tensor]:
    first, second = torch.full((2, 1, 2), 0.5, dtype=torch.float64)
    first[:, 0], second[:, 0] = 0, 1
    return first, second


@pytest.mark.parametrize("name", METHODS)
def test_a_wall_is_crossed_at_its_pass_and_never_below_the_saddle(name: str) -> None:
    options: dict[str, Any] = (
        {"budget": 512, "rate": 0.05} if name in ("polychain", "bezier") else {}
    )
    straight = HEIGHT + 40 * (PASS - 0.5) ** 2
    path = METHODS[name](wall, *sides(), threshold=0.8, **options)
    found = float(barrier(wall, path).barrier)
    assert HEIGHT <= found < 0.8 < straight
    points = path.points(torch.linspace(0, 1, 1001, dtype=torch.float64))[:, 0]
    crossing = points[(points[:, 0] - 0.5).abs().argmin()]
    assert abs(float(crossing[1]) - PASS) < (0.5 / 40) ** 0.5  # where the wall is below 0.8
    refused = METHODS[name](wall, *sides(), threshold=0.1, **options)
    assert float(barrier(wall, refused).barrier) > HEIGHT - 1e-3


@pytest.mark.parametrize("name", METHODS)
def test_pairs_that_need_no_path_get_the_straight_line_for_no_gradient(name: str) -> None:
    first, second = torch.rand(2, 4, 3, generator=torch.Generator().manual_seed(0)).double()
    path = METHODS[name](lambda x: x.square().sum(1), first, second)
    assert (path.gradients == 0).all()
    found = barrier(lambda x: x.square().sum(1), path)
    assert float(found.deviation.max()) < 1e-12
    assert float(found.barrier.max()) < 1e-12


@pytest.mark.parametrize("name", METHODS)
def test_each_pair_s_path_stays_in_the_box_within_budget_and_below_the_straight_line(
    name: str,
) -> None:
    loss, first, second = problem()
    path = METHODS[name](loss, first, second)
    found = barrier(loss, path)
    none = torch.zeros(len(first), dtype=torch.int64)
    straight = barrier(
        loss, Paths(torch.stack([first, second], 1), "", "polyline", none, none)
    ).barrier
    assert (straight > 0.5).all()
    assert (found.barrier < straight).all()
    assert (found.outside == 0).all()
    assert path.nodes.min() >= 0
    assert path.nodes.max() <= 1
    assert (path.gradients <= 128).all()
    assert torch.equal(path.nodes[:, 0], first)
    assert torch.equal(path.nodes[:, -1], second)


@pytest.mark.parametrize("name", ["bypass", "elastic_band"])
def test_the_adaptive_methods_reach_the_threshold(name: str) -> None:
    loss, first, second = problem(12)
    path = METHODS[name](loss, first, second)
    assert (barrier(loss, path).barrier < 0.1).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_pair_s_path_does_not_depend_on_its_batch(name: str) -> None:
    loss, first, second = problem()
    together = METHODS[name](loss, first, second, batch_size=7)
    at = torch.linspace(0, 1, 33, dtype=torch.float64)
    for i in range(len(first)):
        rows = slice(i, i + 1)
        alone = METHODS[name](loss.select(rows), first[rows], second[rows])
        torch.testing.assert_close(
            alone.points(at)[:, 0], together.points(at)[:, i], atol=1e-9, rtol=0
        )
        assert torch.equal(alone.gradients[0], together.gradients[i])
        assert torch.equal(alone.forwards[0], together.forwards[i])


class Counter:
    """A loss of whole copies that counts the rows it sees with and without gradients."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.with_gradient = self.without = 0

    def __call__(self, x: Tensor) -> Tensor:
        if x.requires_grad:
            self.with_gradient += len(x)
        else:
            self.without += len(x)
        return valley(x)


@pytest.mark.parametrize("name", METHODS)
def test_the_gradients_and_forward_passes_told_are_those_spent(name: str) -> None:
    loss = Counter(1)
    path = METHODS[name](loss, *basins(), batch_size=1)
    assert int(path.gradients) == loss.with_gradient > 0
    assert int(path.forwards) == loss.without


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("budget", [0, 1, 5, 17])
def test_no_budget_is_overspent(name: str, budget: int) -> None:
    loss, first, second = problem(3)
    assert (METHODS[name](loss, first, second, budget=budget).gradients <= budget).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_loss_without_select_sees_whole_copies_and_gives_the_same_paths(name: str) -> None:
    loss, first, second = problem(4)

    def plain(x: Tensor) -> Tensor:
        assert len(x) % 4 == 0
        return loss(x)

    plain.kind = "cross_entropy"  # type: ignore[attr-defined]
    mine, theirs = (METHODS[name](f, first, second) for f in (plain, loss))
    assert torch.equal(mine.gradients, theirs.gradients)
    torch.testing.assert_close(mine.nodes, theirs.nodes, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", METHODS)
def test_no_pass_has_more_rows_than_the_batch_size(name: str) -> None:
    loss, first, second = problem(4)
    shown: list[int] = []
    loss.classifier.register_forward_hook(lambda *passed: shown.append(len(passed[2])))
    path = METHODS[name](loss, first, second, batch_size=16)
    barrier(loss, path, 101, batch_size=16)
    assert max(shown) <= 16


@pytest.mark.parametrize("name", METHODS)
def test_neither_the_classifier_nor_the_images_nor_the_random_state_is_touched(name: str) -> None:
    loss, first, second = problem(2)
    before, state = (first.clone(), second.clone()), torch.random.get_rng_state()
    METHODS[name](loss, first, second)
    assert torch.equal(first, before[0])
    assert torch.equal(second, before[1])
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(p.grad is None for p in loss.classifier.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_float32_images_give_float32_nodes_and_no_pairs_give_no_paths(name: str) -> None:
    loss, first, second = problem(2)
    single = Loss(loss.classifier.float(), loss.labels)
    path = METHODS[name](single, first.float(), second.float())
    assert path.nodes.dtype == torch.float32
    assert len(METHODS[name](single.select(slice(0)), first[:0].float(), second[:0].float())) == 0


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bad", [{"threshold": 0.0}, {"budget": -1}, {"batch_size": 0}])
def test_bad_settings_are_named(name: str, bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        METHODS[name](valley, *basins(), **bad)


@pytest.mark.parametrize("name", METHODS)
def test_a_loss_that_is_not_finite_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not finite"):
        METHODS[name](lambda x: x.flatten(1).sum(1) / 0, *basins())
