from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from landscape.connectivity.scan import COARSE, STEEPER, scan
from landscape.connectivity.search import GRID, SAFETY, Search
from landscape.loss import Loss

THRESHOLD = 0.1


def network(seed: int = 0) -> tuple[Loss, Tensor, Tensor]:
    """Many pairs of one class of a small ReLU network, some with a barrier and most without."""
    generator = torch.Generator().manual_seed(seed)
    layers = [nn.Linear(*shape) for shape in ((20, 40), (40, 30), (30, 3))]
    for layer in layers:
        for parameter in layer.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        layer.weight.data *= 2.5 / math.sqrt(layer.in_features)
    layers[0].bias.data -= layers[0].weight.sum(1) / 2
    classifier = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    classifier = classifier.double().requires_grad_(False)
    images = torch.rand(3000, 20, generator=generator, dtype=torch.float64)
    classes = classifier(images).argmax(1)
    images = images[classes == classes.mode().values]
    half = len(images) // 2
    return (
        Loss(classifier, classes.mode().values.repeat(half)),
        images[:half],
        images[half : 2 * half],
    )


def straight(search: Search) -> Callable[[Tensor, Tensor], Tensor]:
    def points_of(rows: Tensor, columns: Tensor) -> Tensor:
        return (
            search.first[rows] + (columns / (GRID - 1)).double().unsqueeze(1) * (search.chord[rows])
        )

    return points_of


def everywhere(search: Search) -> Tensor:
    """The losses on the whole grid, `(n, 65)`."""
    n = len(search)
    rows, columns = torch.arange(n).repeat_interleave(GRID), torch.arange(GRID).repeat(n)
    return search.rows.values(straight(search)(rows, columns), rows).reshape(n, GRID)


def test_on_networks_it_finds_what_the_whole_grid_would_for_a_fraction_of_the_passes() -> None:
    bent = pairs = passes = 0
    for seed in range(4):
        loss, first, second = network(seed)
        search = Search.begin(loss, first, second, THRESHOLD, 0, 256)
        everyone = torch.arange(len(search))
        whole = everywhere(search)
        found = scan(search, straight(search), everyone)
        one = torch.zeros(len(search), GRID, dtype=torch.int64)
        worst = scan(search, straight(search), everyone, segments=one)
        high = search.too_high(whole, everyone).any(1)
        assert torch.equal(search.too_high(found, everyone).any(1), high)
        torch.testing.assert_close(worst.nan_to_num(-torch.inf).amax(1)[high], whole.amax(1)[high])
        seen = ~worst.isnan()
        torch.testing.assert_close(worst[seen], whole[seen])
        bent, pairs = bent + int(high.sum()), pairs + len(search)
        passes += int((~found.isnan()).sum()) - 2 * len(search)
    assert bent > 20
    assert bent < pairs / 2
    assert passes / pairs < 14  # of 63


def literally(values: list[float], allowed: float) -> set[int]:
    """The rule for one path, place by place: which are looked at until none could be too high."""
    known = {0, GRID - 1, *range(0, GRID, COARSE)}
    while True:
        order = sorted(known)
        gaps = list(pairwise(order))
        steepest = max(abs(values[b] - values[a]) / (b - a) for a, b in gaps)
        level = max(allowed, max(values[i] for i in known))
        new = {
            (a + b) // 2
            for a, b in gaps
            if b - a > 1 and (values[a] + values[b]) / 2 + STEEPER * steepest * (b - a) / 2 > level
        }
        if not new:
            return known
        known |= new


@pytest.mark.parametrize("seed", range(8))
def test_the_places_looked_at_are_those_of_the_rule(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    waves = torch.rand(3, 2, generator=generator, dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        return sum(a * torch.sin((3 + 9 * b) * x[:, 0]) ** 2 / 4 for a, b in waves)  # type: ignore[return-value]

    first, second = torch.zeros(1, 1).double(), torch.ones(1, 1).double()
    search = Search.begin(loss, first, second, THRESHOLD, 0, 256)
    one = torch.zeros(1, GRID, dtype=torch.int64)
    found = scan(search, straight(search), torch.arange(1), segments=one)
    values = everywhere(search)[0].tolist()
    seen = (~found[0].isnan()).nonzero().squeeze(1).tolist()
    assert set(seen) == literally(values, float(search.top) + SAFETY * THRESHOLD)


def test_what_is_known_is_not_looked_at_again() -> None:
    loss, first, second = network()
    search = Search.begin(loss, first[:8], second[:8], THRESHOLD, 0, 256)
    everyone = torch.arange(8)
    one = torch.zeros(8, GRID, dtype=torch.int64)
    found = scan(search, straight(search), everyone, segments=one)
    before = search.forwards.clone()
    again = scan(search, straight(search), everyone, known=found, segments=one)
    assert torch.equal(search.forwards, before)
    torch.testing.assert_close(again, found, equal_nan=True)


def test_what_is_known_may_ask_for_more() -> None:
    loss, first, second = network()
    search = Search.begin(loss, first, second, THRESHOLD, 0, 256)
    everyone = torch.arange(len(search))
    one = torch.zeros(len(search), GRID, dtype=torch.int64)
    coarse = everywhere(search)
    coarse[:, torch.arange(GRID) % COARSE != 0] = torch.nan
    found = scan(search, straight(search), everyone, known=coarse, segments=one)
    expected = scan(search, straight(search), everyone, segments=one)
    assert (found.isnan() != coarse.isnan()).any()
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_a_path_that_is_linear_in_its_log_odds_takes_seven_passes() -> None:
    layer = nn.Linear(4, 2).double().requires_grad_(False)
    images = torch.rand(40, 4, generator=torch.Generator().manual_seed(0)).double()
    loss = Loss(layer, torch.zeros(20, dtype=torch.int64))
    search = Search.begin(loss, images[:20], images[20:], THRESHOLD, 0, 256)
    scan(search, straight(search), torch.arange(20))
    assert (search.forwards == 2 + GRID // COARSE - 1).all()
