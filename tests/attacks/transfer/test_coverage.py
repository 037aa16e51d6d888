"""Intervals must hold the truth as often as they say, on images that several victims share.

The simulated images are of three kinds (robust, middling, fragile), and given its kind an image
fools each victim independently. So victims are correlated as real ones are, and every true value
is a sum of three terms.
"""

from __future__ import annotations

import numpy as np
import pytest

from attacks.transfer.cells import Cells
from attacks.transfer.gains import _rates, cluster_means
from attacks.transfer.sharing import _overlap

KINDS = np.array([0.5, 0.3, 0.2])
NAMES = ("a", "b", "c")
PAIRS = [(source, victim) for source in NAMES for victim in NAMES]
# P(fooled | kind), 9 cells: rates from 0.1 to 0.6 and one white box near 1.
RATES = np.array([0.97, 0.35, 0.15, 0.25, 0.9, 0.1, 0.45, 0.6, 0.8])
TRANSFER = [i for i, (source, victim) in enumerate(PAIRS) if source != victim]


def chances(rates: np.ndarray) -> np.ndarray:
    """Return `(3, c)` chances by kind, their mean over the kinds being the rates."""
    odds = (rates / (1 - rates))[None] * np.array([0.3, 1.5, 8.0])[:, None]
    kinds = odds / (1 + odds)
    return np.clip(kinds + rates - KINDS @ kinds, 0.005, 0.995)


FIRST = chances(RATES)
SECOND = chances(np.clip(RATES + 0.06, 0, 0.98))


def true_overlap(chance: np.ndarray, i: int, j: int) -> tuple[float, float]:
    a, b, both = KINDS @ chance[:, i], KINDS @ chance[:, j], KINDS @ (chance[:, i] * chance[:, j])
    by_chance = a * b + (1 - a) * (1 - b)
    return both / (a + b - both), (1 - a - b + 2 * both - by_chance) / (1 - by_chance)


def simulated(rng: np.random.Generator, n: int) -> tuple[Cells, np.ndarray]:
    kind = rng.choice(3, n, p=KINDS)
    # One number serves both recipes in a part of the cells: a paired design, as two attacks are.
    uniform = rng.random((n, 9))
    own = np.where(rng.random((n, 9)) < 0.5, uniform, rng.random((n, 9)))
    fooled, other = uniform < FIRST[kind], own < SECOND[kind]
    keys = [("pgd", *pair) for pair in PAIRS]
    present = np.ones((n, 9), dtype=bool)
    nothing = np.zeros(n, dtype=np.int64)
    cells = Cells(np.arange(n).astype(str), nothing, keys, fooled, present, fooled.astype(np.int64))
    return cells, other


def coverage(repetitions: int, n: int, draws: int) -> dict[str, np.ndarray]:
    """Return the share of repetitions in which each interval held the truth, by kind of it."""
    rng = np.random.default_rng(n)
    rates, others = KINDS @ FIRST, KINDS @ SECOND
    groups = [[i for i in TRANSFER if PAIRS[i][0] == name] for name in NAMES] + [TRANSFER]
    means = np.array([rates[g].mean() for g in groups])
    gains = others - rates
    gain_means = np.array([gains[g].mean() for g in groups])
    overlaps = [(1, 2), (3, 5), (6, 7), (0, 1)]
    truth = np.array([true_overlap(FIRST, i, j) for i, j in overlaps])
    held: dict[str, list[np.ndarray]] = {}

    def count(kind: str, true: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        held.setdefault(kind, []).append((low <= true) & (true <= high))

    for seed in range(repetitions):
        cells, other = simulated(rng, n)
        found = _rates(cells, list(range(9)), 0.95, draws, seed)
        low, high = found["low"].to_numpy(), found["high"].to_numpy()
        count("rates of cells", rates[TRANSFER], low[:9][TRANSFER], high[:9][TRANSFER])
        count("means of rates", means, low[9:], high[9:])
        gain = other.astype(float) - cells.fooled
        every = [*([i] for i in TRANSFER), *groups]
        found = cluster_means(gain, cells.present, every, 0.95, draws, seed)
        k = len(TRANSFER)
        count("gains of cells", gains[TRANSFER], found["low"][:k], found["high"][:k])
        count("means of gains", gain_means, found["low"][k:], found["high"][k:])
        overlap = _overlap(cells, overlaps, 0.95, draws, seed)
        for i, name in enumerate(("jaccard", "kappa")):
            count(name, truth[:, i], overlap[f"{name}_low"], overlap[f"{name}_high"])
    return {kind: np.mean(found, axis=0) for kind, found in held.items()}


def test_intervals_cover_about_as_often_as_they_say():
    found = coverage(repetitions=60, n=300, draws=400)
    assert len(found) == 6
    for kind, share in found.items():
        assert 0.9 <= share.mean() <= 0.99, kind


@pytest.mark.slow
@pytest.mark.parametrize("n", [300, 600])
def test_intervals_cover_as_often_as_they_say_in_a_thousand_simulations(n):
    for kind, share in coverage(repetitions=1000, n=n, draws=2000).items():
        # Kappa of a victim that nearly always falls rests on a handful of images.
        least = 0.93 if kind == "kappa" else 0.935
        assert least <= share.mean() <= 0.965, (kind, share)
        # One interval's share has a standard error of 0.7 %.
        assert share.min() >= least - 0.02, (kind, share)
        assert share.max() <= 0.98, (kind, share)
