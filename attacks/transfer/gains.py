"""How often examples transfer, and how much more often than those of another recipe.

The images are the sample: whatever is measured on one image, at however many victims and from
however many sources, is resampled together. The classifiers are not: an interval says what other
images would do at these classifiers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from attacks.transfer.cells import ALL, OTHERS, Cells, cells_of, groups_of
from core.errors import InputError
from core.statistics import bootstrap_sums, holm, sign_flip_test, wilson
from core.statistics.agreement import mcnemar_p


def success_rates(
    table: pd.DataFrame, *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """How often the examples of each recipe and source fool each victim, with intervals.

    Args:
        table: one row per (recipe, source, victim, id) with `label`, `fooled` and `prediction`.
        level: of confidence, per interval.
        draws: bootstrap resamples of the images, the same for all rows.
        seed: of the resamples.

    Returns:
        Columns `recipe`, `source`, `victim`, `n` (images), `rate`, `low`, `high`. One row per cell
        of the table (source == victim is the white-box case); then, with victim `others`, the mean
        over the victims other than the source; then, with source and victim `all`, the mean over
        all ordered pairs of different classifiers. Per recipe, in the order of the table.

    A cell is a proportion of independent images and has Wilson's interval, which is right also near
    0 and 1. Means have percentile bootstrap intervals over the images. Where every image fared
    alike, that bootstrap has no width, and the interval reaches as far as Wilson's would for an
    outcome that no image had.

    >>> names = ["id", "source", "victim", "fooled"]
    >>> rows = [("a", "m", "w", True), ("b", "m", "w", False), ("c", "m", "w", False)]
    >>> table = pd.DataFrame(rows, columns=names).assign(label=0, recipe="fgsm", prediction=1)
    >>> success_rates(table)[["source", "victim", "n", "rate"]].round(3).values.tolist()
    [['m', 'w', 3, 0.333], ['m', 'others', 3, 0.333], ['all', 'all', 3, 0.333]]
    """
    cells = cells_of(table)
    frames = []
    for recipe in cells.recipes:
        columns = cells.of_recipe(recipe)
        found = _rates(cells, columns, level, draws, seed)
        found.insert(0, "recipe", recipe)
        frames.append(found)
    return pd.concat(frames, ignore_index=True)


def _rates(cells: Cells, columns: list[int], level: float, draws: int, seed: int) -> pd.DataFrame:
    pairs = [cells.keys[c][1:] for c in columns]
    fooled, present = cells.fooled[:, columns], cells.present[:, columns]
    hits, of = fooled.sum(0), present.sum(0)
    single = wilson(hits, of, level)
    frame = _frame(pairs, n=of, rate=single.estimate, low=single.low, high=single.high)
    groups = groups_of(pairs)
    if not groups:
        return frame
    means = cluster_means(fooled, present, list(groups.values()), level, draws, seed)
    return pd.concat([frame, _frame(list(groups), **means)], ignore_index=True)


def cluster_means(
    values: np.ndarray,
    present: np.ndarray,
    groups: list[list[int]],
    level: float,
    draws: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Mean over groups of cells of the cells' mean values, with intervals over the images.

    Args:
        values: `(n, c)`, between -1 and 1; counted only where present.
        present: `(n, c)` of bool; the same all over the row in an ordinary table.
        groups: columns of each group, g of them.
        level: of confidence.
        draws: resamples of the images.
        seed: of the resamples.

    Returns:
        `n` (images with any of the group's cells), `rate`, `low` and `high`, each `(g,)`. Where all
        images have the same values, the interval reaches as far as Wilson's would for a value that
        none of n images showed.
    """
    c = values.shape[1]
    share = np.zeros((c, len(groups)))
    for g, members in enumerate(groups):
        share[members, g] = 1 / len(members)

    def statistic(sums: np.ndarray) -> np.ndarray:
        return (sums[..., :c] / sums[..., c:]) @ share

    columns = np.concatenate([np.where(present, values, 0), present], axis=1).astype(np.float64)
    some = np.stack([present[:, members].any(1) for members in groups], axis=1)
    n = some.sum(0)
    if len(values) < 2:
        estimate = statistic(columns.sum(0))
        low, high = estimate.copy(), estimate.copy()
    else:
        # BCa corrects a skewness that the mean of hundreds of bounded values has not, and pays with
        # the Monte-Carlo error of its correction: it covered 0.3 % less often in simulations.
        found = bootstrap_sums(
            columns, statistic, level=level, resamples=draws, seed=seed, method="percentile"
        )
        estimate, low, high = found.estimate, found.low.copy(), found.high.copy()
    # Where all images fared alike, at each cell in its own way, no resample differs from another.
    flat = high - low < 1e-12
    room = wilson(0, n[flat], level).high
    bottom = 0.0 if values.dtype == bool else -1.0
    low[flat] = np.maximum(bottom, estimate[flat] - room)
    high[flat] = np.minimum(1.0, estimate[flat] + room)
    return {"n": n, "rate": estimate, "low": low, "high": high}


def paired_gain(
    table: pd.DataFrame,
    recipe: str,
    reference: str,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """How much more often a recipe's examples fool than a reference's, image by image.

    Args:
        table: as for `success_rates`, with both recipes.
        recipe: the one in question.
        reference: the one it is compared with.
        level: of confidence, per interval.
        draws: bootstrap resamples of the images, the same for all rows.
        seed: of the resamples and of the sign-flip tests.

    Returns:
        Columns `recipe`, `reference`, `source`, `victim`, `n` (images with both), `rate`,
        `reference_rate`, `gain` (their difference), `low`, `high`, `only_recipe`, `only_reference`
        (images fooled by one alone), `p`, `p_holm`. Rows as in `success_rates`, for the cells that
        both recipes have. In a cell, p is McNemar's exact test, adjusted by Holm over the cells
        with source != victim (NaN for white-box cells, which are not part of the question). In the
        means, p is a sign-flip test of the mean over images of an image's mean gain, adjusted over
        the sources for `others`; the mean over `all` is one question, so p_holm = p. The counts are
        NaN there.

    Intervals are percentile bootstrap over the images; where no image differs, they reach as far as
    Wilson's for a difference that none of n images showed.

    Raises:
        InputError: a recipe that is not in the table, or no cell that both have.
    """
    cells = cells_of(table)
    first = {cells.keys[c][1:]: c for c in cells.of_recipe(recipe)}
    second = {cells.keys[c][1:]: c for c in cells.of_recipe(reference)}
    pairs = [pair for pair in first if pair in second]
    a, b = [first[pair] for pair in pairs], [second[pair] for pair in pairs]
    present = cells.present[:, a] & cells.present[:, b]
    kept = [i for i in range(len(pairs)) if present[:, i].any()]
    if not kept:
        raise InputError(
            f"reference: {recipe!r} and {reference!r} share no source, victim and image."
        )
    pairs, present = [pairs[i] for i in kept], present[:, kept]
    of_a = cells.fooled[:, [a[i] for i in kept]] & present
    of_b = cells.fooled[:, [b[i] for i in kept]] & present
    gain = of_a.astype(np.float64) - of_b
    singles, groups = [[i] for i in range(len(pairs))], groups_of(pairs)
    found = cluster_means(gain, present, [*singles, *groups.values()], level, draws, seed)
    only_a, only_b = (gain > 0).sum(0), (gain < 0).sum(0)
    p_cells = mcnemar_p(only_a, only_b)
    p_means = np.array([_sign_flip(gain[:, m], present[:, m], seed) for m in groups.values()])
    others = np.array([victim == OTHERS for _, victim in groups], dtype=bool)
    transfer = np.array([source != victim for source, victim in pairs])
    rates = [
        np.array([(of[:, m].sum(0) / present[:, m].sum(0)).mean() for m in rows])
        for of in (of_a, of_b)
        for rows in ([*singles, *groups.values()],)
    ]
    none = np.full(len(groups), np.nan)
    frame = _frame(
        [*pairs, *groups],
        n=found["n"],
        rate=rates[0],
        reference_rate=rates[1],
        gain=found["rate"],
        low=found["low"],
        high=found["high"],
        only_recipe=np.concatenate([only_a, none]),
        only_reference=np.concatenate([only_b, none]),
        p=np.concatenate([p_cells, p_means]),
        p_holm=np.concatenate(
            [
                holm(np.where(transfer, p_cells, np.nan)),
                np.where(others, holm(np.where(others, p_means, np.nan)), p_means),
            ]
        ),
    )
    frame.insert(0, "recipe", recipe)
    frame.insert(1, "reference", reference)
    return frame


def scale_curve(
    table: pd.DataFrame,
    reference: str,
    scale_of: Mapping[str, float],
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Gain in transfer over a reference as a function of a scale, such as that of the noise.

    Args:
        table: as for `success_rates`, with the reference and all recipes of the curve.
        reference: the recipe at no noise.
        scale_of: recipe -> its scale.
        level: of confidence.
        draws: bootstrap resamples of the images, the same at every scale.
        seed: of the resamples.

    Returns:
        Columns `scale`, then those of `paired_gain`; rows by ascending scale, each with the mean
        over `all` pairs and those over each source's `others`. The intervals are pointwise: each
        covers at the level by itself, and a curve of ten will be left somewhere more often. For
        "does any scale help?" read `p_holm`, which here is adjusted over the scales, for each
        source (and for `all`) apart.
    """
    if not scale_of:
        raise InputError("scale_of: expected at least one recipe with its scale.")
    frames = []
    for recipe, scale in sorted(scale_of.items(), key=lambda item: (item[1], item[0])):
        found = paired_gain(table, recipe, reference, level=level, draws=draws, seed=seed)
        found = found[found["victim"].isin([ALL, OTHERS])]
        found.insert(0, "scale", float(scale))
        frames.append(found)
    curve = pd.concat(frames, ignore_index=True)
    for _, rows in curve.groupby("source").groups.items():
        curve.loc[rows, "p_holm"] = holm(curve.loc[rows, "p"].to_numpy())
    return curve


def _sign_flip(gain: np.ndarray, present: np.ndarray, seed: int) -> float:
    """Return p of an image's mean gain over the cells it is in; an image in none says nothing."""
    cells = present.sum(1)
    means = gain.sum(1)[cells > 0] / cells[cells > 0]
    moved = means[means != 0]  # the others stay 0 whatever their sign
    if len(moved) < 2:
        return 1.0  # of one image both signs are equally far from 0
    return sign_flip_test(moved, np.zeros_like(moved), seed=seed)


def _frame(pairs: list[tuple[str, str]], **columns: np.ndarray) -> pd.DataFrame:
    names = {"source": [s for s, _ in pairs], "victim": [v for _, v in pairs]}
    return pd.DataFrame({**names, **columns})
