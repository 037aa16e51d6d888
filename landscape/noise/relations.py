"""Whether flat examples are those that transfer: over examples of a recipe, and over recipes.

Exploratory. Both measures depend on the confidence at the example, so every relation is also given
at equal loss: with the loss of the predicted class held fixed, or between examples of one image
that have nearly the same. An interval says what other images would give; the recipes are not drawn
from anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from attacks.transfer.relations import relate_images
from core.statistics import bootstrap_sums
from landscape.measures import LOSS
from landscape.noise.equal_loss import FACTOR
from landscape.noise.rates import OWN

LEAST_RECIPES = 4
"""With fewer recipes no correlation over recipes is given."""
LEAST_IMAGES = 20
EQUAL = "equal loss"


def over_examples(
    table: pd.DataFrame, recipes: Sequence[str], columns: Sequence[str], *, seed: int = 0
) -> pd.DataFrame:
    """Correlate measures of a recipe's examples with the share of other classifiers they fool.

    Args:
        table: with columns `group`, `id`, `loss`, `transfer` (NaN where an example does not count)
            and the measures.
        recipes: whose examples.
        columns: the measures.
        seed: of the bootstrap.

    Returns:
        As `attacks.transfer.relations.relate_images`: one row per recipe, covariate and kind, raw
        and with the loss held fixed; p corrected over all of them. Empty where nothing counts.
    """
    rows = table[table["group"].isin(recipes) & table["transfer"].notna()]
    if not len(rows):
        return pd.DataFrame()
    own = rows.rename(columns={"group": "recipe"}).assign(source=OWN)
    keys = ["recipe", "source", "id"]
    return relate_images(
        own[[*keys, "transfer"]], own[[*keys, LOSS, *columns]], controls=[LOSS], seed=seed
    ).drop(columns="source")


def over_recipes(
    table: pd.DataFrame,
    reference: str,
    recipes: Sequence[str],
    columns: Sequence[str],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate, over recipes, how flat their examples are with how many classifiers they fool.

    Raw: the mean rank of a recipe's examples in a measure, among the examples of all recipes, with
    the mean share of other classifiers that they fool. At equal loss: how a recipe's examples
    differ from the reference's of the same image in the measure (of which the logarithm is taken)
    with how they differ in that share, both at equal loss (`equal_loss.at_equal_loss`); the
    reference is the point without differences. Both are Spearman's correlations over the recipes,
    with percentile bootstrap intervals over the images, which are drawn with all of their examples.

    Args:
        table: as for `over_examples`.
        reference: the recipe that others are compared with.
        recipes: at least four, the reference among them.
        columns: the measures; values that are not positive do not count at equal loss.
        seed: of the bootstrap.

    Returns:
        Columns covariate, kind (`raw` or `equal loss`), n (recipes), images, rho, low, high; empty
        where there are too few recipes or images.
    """
    rows = table[table["group"].isin(recipes) & table["transfer"].notna()]
    rows = rows[rows[[LOSS, *columns]].notna().all(axis=1)]
    names = [name for name in recipes if (rows["group"] == name).sum() >= LEAST_IMAGES]
    rows = rows[rows["group"].isin(names)]
    ids = rows["id"].unique()
    if len(names) < LEAST_RECIPES or len(ids) < LEAST_IMAGES or reference not in names:
        return pd.DataFrame()
    at = tuple(
        pd.Index(known).get_indexer(pd.Index(rows[key]))
        for key, known in (("id", ids), ("group", names))
    )

    def wide(values: np.ndarray) -> np.ndarray:
        found = np.full((len(ids), len(names)), np.nan)
        found[at] = values
        return found

    transfer, base = wide(rows["transfer"].to_numpy(float)), names.index(reference)
    loss = np.log(wide(rows[LOSS].to_numpy(float)))
    found = []
    for name in columns:
        measure = wide(rows[name].to_numpy(float))
        ranks = wide(stats.rankdata(rows[name].to_numpy(float)))
        with np.errstate(invalid="ignore", divide="ignore"):
            logs = np.where(measure > 0, np.log(measure), np.nan)
        pairs = {
            "raw": [_mean_sums(ranks), _mean_sums(transfer)],
            EQUAL: [_line_sums(loss, logs, base), _line_sums(loss, transfer, base)],
        }
        for kind, sums in pairs.items():
            counted = sums[0][:, : len(names)].sum(0) >= LEAST_IMAGES
            counted[base] = True
            if counted.sum() < LEAST_RECIPES:
                continue
            of_recipe = _means if kind == "raw" else _intercepts
            interval = bootstrap_sums(
                np.concatenate(sums, axis=1),
                partial(_correlation, of_recipe=of_recipe, counted=counted),
                seed=seed,
                method="percentile",
            )
            found.append(
                {
                    "covariate": name,
                    "kind": kind,
                    "n": int(counted.sum()),
                    "images": len(ids),
                    "rho": float(interval.estimate[0]),
                    "low": float(interval.low[0]),
                    "high": float(interval.high[0]),
                }
            )
    return pd.DataFrame(found)


def _mean_sums(values: np.ndarray) -> np.ndarray:
    """Return what the sums over images of means are made of, `(images, 2 recipes)`."""
    known = np.isfinite(values)
    return np.concatenate([known, np.where(known, values, 0)], axis=1).astype(float)


def _line_sums(loss: np.ndarray, values: np.ndarray, base: int) -> np.ndarray:
    """Return what the sums of regressions at equal loss are made of, `(images, 9 recipes)`."""
    x, y = loss - loss[:, [base]], values - values[:, [base]]
    near = np.isfinite(x) & np.isfinite(y) & (np.abs(x) <= np.log(FACTOR))
    middle = (loss + loss[:, [base]]) / 2
    x, y = np.where(near, x, 0), np.where(near, y, 0)
    # The intercept does not depend on where the middle is counted from.
    z = x * np.where(near, middle - middle[near].mean(), 0) if near.any() else x
    return np.concatenate([near, x, z, x * x, x * z, z * z, y, x * y, z * y], axis=1).astype(float)


def _means(sums: np.ndarray) -> np.ndarray:
    count, total = np.split(sums, 2, axis=-1)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _intercepts(sums: np.ndarray) -> np.ndarray:
    """Return the intercepts of the regressions of `equal_loss.at_equal_loss`, `(..., recipes)`."""
    n, x, z, xx, xz, zz, y, xy, zy = np.split(sums, 9, axis=-1)
    rows = [np.stack(row, axis=-1) for row in ((n, x, z), (x, xx, xz), (z, xz, zz))]
    inverse = np.linalg.pinv(np.stack(rows, axis=-2), hermitian=True)
    found = (inverse[..., 0, :] * np.stack([y, xy, zy], axis=-1)).sum(-1)
    return np.where(n > 0, found, np.nan)


def _correlation(
    sums: np.ndarray, of_recipe: Callable[[np.ndarray], np.ndarray], counted: np.ndarray
) -> np.ndarray:
    """Return the rank correlation over the recipes that count, `(..., 1)`."""
    ranks = [
        stats.rankdata(of_recipe(part)[..., counted], axis=-1, nan_policy="propagate")
        for part in np.split(sums, 2, axis=-1)
    ]
    a, b = (r - r.mean(-1, keepdims=True) for r in ranks)
    scale = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    above = (a * b).sum(-1)
    return np.divide(above, scale, out=np.full(above.shape, np.nan), where=scale > 0)[..., None]
