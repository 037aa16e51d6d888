"""Which adversarial images are shared: the same images fool two, and into the same class."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from attacks.transfer.cells import Cells, cells_of
from core.statistics import bootstrap_sums, expected_jaccard, holm, wilson
from core.statistics.agreement import jaccard_of_counts, kappa_of_counts, mcnemar_p

Pair = tuple[int, int]

_OVERLAP = (
    *("recipe", "source", "first", "second", "n", "n_first", "n_second", "n_both", "n_either"),
    *("jaccard", "jaccard_low", "jaccard_high", "expected_jaccard"),
    *("kappa", "kappa_low", "kappa_high", "only_first", "only_second", "p", "p_holm"),
)
_AGREEMENT = (
    *("recipe", "source", "first", "second", "n_both", "same", "share", "low", "high"),
    *("chance", "shuffled", "p", "p_holm"),
)


def shared_images(
    table: pd.DataFrame, *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """For each recipe and source: do the same images fool two victims?

    Args:
        table: one row per (recipe, source, victim, id) with `label`, `fooled` and `prediction`.
        level: of confidence, per interval.
        draws: bootstrap resamples of the images, the same for all pairs of a recipe.
        seed: of the resamples.

    Returns:
        One row per unordered pair of victims, the source itself among them: `recipe`, `source`,
        `first`, `second`, `n` (images at both), `n_first`, `n_second`, `n_both`, `n_either` (sizes
        of the fooled sets), `jaccard`, `jaccard_low`, `jaccard_high`, `expected_jaccard` (mean of
        independent sets of the same sizes), `kappa` (agreement beyond chance; 0 for independent
        sets of any size), `kappa_low`, `kappa_high`, `only_first`, `only_second`, `p` (McNemar,
        exact: are the two fooled equally often?), `p_holm` (over all rows of the recipe).
        BCa bootstrap intervals over the images, for a Jaccard index of 0 or 1 (where that has no
        width) Wilson's over `n_either`; NaN where a statistic is undefined.

    Read the Jaccard index beside `expected_jaccard`: two victims that are fooled by almost every
    image share almost all of them whatever the reason.
    """
    return _overlaps(table, 1, level, draws, seed)


def shared_between_sources(
    table: pd.DataFrame, *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """For each recipe and victim: do examples from two sources fool it on the same images?

    Arguments as for `shared_images`, and the same columns but for `victim` in place of `source`;
    `first` and `second` are the two sources here, one of which may be the victim itself.
    """
    return _overlaps(table, 2, level, draws, seed)


def _overlaps(table: pd.DataFrame, fixed: int, level: float, draws: int, seed: int) -> pd.DataFrame:
    """Compare all pairs of cells of a recipe with one classifier (key 1 or 2) in common."""
    cells = cells_of(table)
    frames = []
    for recipe in cells.recipes:
        pairs = _pairs(cells, recipe, fixed)
        if pairs:
            frames.append(_named(cells, pairs, fixed, _overlap(cells, pairs, level, draws, seed)))
    columns = ["victim" if name == "source" and fixed == 2 else name for name in _OVERLAP]
    return _joined(frames, columns)


def _joined(frames: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """Return the frames as one, which has its columns also where no two cells can be compared."""
    if not frames:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(frames, ignore_index=True)[list(columns)]


def _pairs(cells: Cells, recipe: str, fixed: int) -> list[Pair]:
    groups: dict[str, list[int]] = {}
    for column in cells.of_recipe(recipe):
        groups.setdefault(cells.keys[column][fixed], []).append(column)
    return [pair for group in groups.values() for pair in combinations(group, 2)]


def _named(
    cells: Cells, pairs: list[Pair], fixed: int, columns: dict[str, np.ndarray]
) -> pd.DataFrame:
    first, second = ([cells.keys[pair[i]] for pair in pairs] for i in (0, 1))
    names = {
        "recipe": [key[0] for key in first],
        {1: "source", 2: "victim"}[fixed]: [key[fixed] for key in first],
        "first": [key[3 - fixed] for key in first],
        "second": [key[3 - fixed] for key in second],
    }
    return pd.DataFrame({**names, **columns})


def _overlap(
    cells: Cells, pairs: list[Pair], level: float, draws: int, seed: int
) -> dict[str, np.ndarray]:
    a, b = ([pair[i] for pair in pairs] for i in (0, 1))
    present = cells.present[:, a] & cells.present[:, b]
    of_a, of_b = cells.fooled[:, a] & present, cells.fooled[:, b] & present
    columns = np.stack([of_a & of_b, of_a, of_b, present], axis=2).astype(np.float64)
    m = len(pairs)

    def statistic(sums: np.ndarray) -> np.ndarray:
        both, first, second, of = np.moveaxis(sums.reshape(*sums.shape[:-1], m, 4), -1, 0)
        return np.concatenate(
            [jaccard_of_counts(both, first, second), kappa_of_counts(both, first, second, of)], -1
        )

    both, first, second, n = columns.sum(0).astype(np.int64).T
    if len(cells.ids) > 1:
        rows = columns.reshape(len(columns), -1)
        found = bootstrap_sums(rows, statistic, level=level, resamples=draws, seed=seed)
        estimate = found.estimate
        low, high = (np.where(np.isnan(estimate), np.nan, x) for x in (found.low, found.high))
    else:
        estimate = statistic(columns.sum(0).ravel())
        low = high = np.full(2 * m, np.nan)
    low, high = low.copy(), high.copy()
    # Of the images that fool either, a share fools both: where that is none or all of them, the
    # bootstrap has no width, but the interval of a proportion has.
    either = wilson(both, first + second - both, level)
    flat = (both == 0) | (both == first + second - both)
    low[:m], high[:m] = np.where(flat, either.low, low[:m]), np.where(flat, either.high, high[:m])
    p = mcnemar_p(first - both, second - both)
    return {
        "n": n,
        "n_first": first,
        "n_second": second,
        "n_both": both,
        "n_either": first + second - both,
        "jaccard": estimate[:m],
        "jaccard_low": low[:m],
        "jaccard_high": high[:m],
        "expected_jaccard": expected_jaccard(first, second, n),
        "kappa": estimate[m:],
        "kappa_low": low[m:],
        "kappa_high": high[m:],
        "only_first": first - both,
        "only_second": second - both,
        "p": p,
        "p_holm": holm(p),
    }


def same_wrong_class(
    table: pd.DataFrame,
    *,
    classes: int | None = None,
    level: float = 0.95,
    permutations: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """For each recipe and source: do images that fool two victims fool them into the same class?

    Two controls. `chance` = 1 / (classes - 1) is what wrong classes drawn evenly would share.
    `shuffled` is the fairer one: some wrong classes are more common, above all for images of a
    given class, so the second victim's wrong predictions are permuted among the images of the same
    true class. What the share exceeds it by is agreement on the single image.

    Args:
        table: as for `shared_images`.
        classes: that the classifiers tell apart; by default the number of distinct labels and
            predictions in the table.
        level: of confidence.
        permutations: of the wrong predictions, for p.
        seed: of the permutations.

    Returns:
        Rows as in `shared_images`: `recipe`, `source`, `first`, `second`, `n_both` (images that
        fool both), `same` (those into the same class), `share`, `low`, `high` (Wilson's interval),
        `chance`, `shuffled` (exact mean share over all permutations), `p` (one-sided: as many equal
        by permutation; never below 1 / (permutations + 1)), `p_holm` (over the recipe's rows).
        NaN where no image fools both.
    """
    cells = cells_of(table)
    if classes is None:
        seen = cells.prediction[cells.present]
        classes = len(np.unique(np.concatenate([cells.labels, seen])))
    frames = []
    for recipe in cells.recipes:
        pairs = _pairs(cells, recipe, 1)
        if not pairs:
            continue
        rows = [_agreement(cells, pair, permutations, seed) for pair in pairs]
        n, same, shuffled, p = (np.array(x) for x in zip(*rows, strict=True))
        share = wilson(same, n, level)
        columns = {
            "n_both": n,
            "same": same,
            "share": share.estimate,
            "low": share.low,
            "high": share.high,
            "chance": np.full(len(n), 1 / (classes - 1) if classes > 1 else np.nan),
            "shuffled": shuffled,
            "p": p,
            "p_holm": holm(p),
        }
        frames.append(_named(cells, pairs, 1, columns))
    return _joined(frames, _AGREEMENT)


def _agreement(
    cells: Cells, pair: Pair, permutations: int, seed: int
) -> tuple[int, int, float, float]:
    """Return images that fool both, those into one class, the mean share by permutation, and p."""
    both = cells.fooled[:, pair[0]] & cells.fooled[:, pair[1]]
    n = int(both.sum())
    if not n:
        return 0, 0, np.nan, np.nan
    labels = cells.labels[both]
    first, second = (cells.prediction[both, column] for column in pair)
    same = int((first == second).sum())
    rng = np.random.default_rng(seed)
    by_chance, expected = np.zeros(permutations, dtype=np.int64), 0.0
    for label in np.unique(labels):
        of_first, of_second = first[labels == label], second[labels == label]
        equal = of_first[:, None] == of_second
        # Under a permutation each pairing of two images is equally likely.
        expected += equal.mean() * len(of_first)
        if equal.all() or not equal.any():
            by_chance += len(of_first) * int(equal.all())
            continue
        shuffled = rng.permuted(np.tile(of_second, (permutations, 1)), axis=1)
        by_chance += (shuffled == of_first).sum(1)
    p = (1 + int((by_chance >= same).sum())) / (permutations + 1)
    return n, same, float(expected / n), p
