"""What the optimisations of a recipe do over the gradients they spend: medians, shares, turns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.statistics import bootstrap, wilson

QUARTILES = (0.25, 0.5, 0.75)


def loss_curve(followed: pd.DataFrame) -> pd.DataFrame:
    """Return median and quartiles over the examples of the loss at each point of one recipe's ways.

    An example that has stopped keeps the loss it stopped at.

    Args:
        followed: the rows of one recipe, see `following.followed`.

    Returns:
        Columns run, step, spent, n, q25, median, q75; one row per column of the ways, in order.
    """
    wide = _wide(followed, "loss").ffill(axis=1)
    low, middle, high = np.nanquantile(wide.to_numpy(float), QUARTILES, axis=0)
    return _columns(wide).assign(n=len(wide), q25=low, median=middle, q75=high)


def fooled_curve(followed: pd.DataFrame) -> pd.DataFrame:
    """Return the share of examples that some point up to each column has fooled, with intervals.

    Args:
        followed: the rows of one recipe.

    Returns:
        Columns run, step, spent, n, share, low, high (Wilson's interval at 95 %).
    """
    wide = _wide(followed, "fooled").astype(float).ffill(axis=1).cummax(axis=1)
    hits = wide.sum(axis=0).to_numpy()
    found = wilson(hits, np.full(len(hits), len(wide)))
    return _columns(wide).assign(n=len(wide), share=found.estimate, low=found.low, high=found.high)


def shapes(followed: pd.DataFrame, recipes: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Return how much the ways of each recipe turn and wind.

    Per example: the mean cosine between successive steps, and the tortuosity, the length of the way
    over the net distance, over all of its runs. Per recipe the median over the examples with a
    bootstrap interval, and quartiles.

    Args:
        followed: of all recipes, with a column `recipe`.
        recipes: in order.
        seed: of the bootstrap.

    Returns:
        Columns recipe, measure (`cosine` or `tortuosity`), n, median, low, high, q25, q75.
    """
    rows = []
    for recipe in recipes:
        own = followed[(followed["recipe"] == recipe) & (followed["run"] >= 0)]
        if not len(own):
            continue
        ends = own.groupby(["id", "run"], sort=False).last().groupby("id", sort=False)
        net = ends["net"].sum()
        found = {
            "cosine": own.groupby("id", sort=False)["cosine"].mean(),
            "tortuosity": (ends["way"].sum() / net.where(net > 0)),
        }
        for measure, values in found.items():
            known = values.dropna().to_numpy(float)
            if len(known) < 2:
                continue
            interval = bootstrap(known, np.median, seed=seed, method="percentile")
            low, high = np.quantile(known, [0.25, 0.75])
            rows.append(
                {
                    "recipe": recipe,
                    "measure": measure,
                    "n": len(known),
                    "median": interval.estimate,
                    "low": interval.low,
                    "high": interval.high,
                    "q25": float(low),
                    "q75": float(high),
                }
            )
    return pd.DataFrame(rows)


def _wide(followed: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return one row per example and one column per recorded point, in the order of the way."""
    return followed.pivot(index="id", columns=["run", "step", "spent"], values=value).sort_index(
        axis=1
    )


def _columns(wide: pd.DataFrame) -> pd.DataFrame:
    return wide.columns.to_frame(index=False)
