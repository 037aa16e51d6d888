"""How often examples fool their own classifier and others, and how that differs from a reference.

Only images that the classifiers in question get right count. What transfers is said of the examples
that fool their own classifier: a recipe is not rewarded for fooling it more often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from attacks.recipe_lists import is_control
from attacks.transfer.cells import OTHERS
from attacks.transfer.gains import paired_gain, success_rates
from core.report.versions import GENUINE
from core.statistics import holm
from landscape.comparison import INVALID
from landscape.noise.measures import SAYS

OWN = "own"
"""The classifier that the examples are made on, in the columns `source` and `victim`."""


def fooled_own(table: pd.DataFrame) -> pd.Series:
    """Return which rows are valid examples whose label changed, from images that were right."""
    valid = ~table["status"].isin(INVALID)
    return table["clean_correct"].astype(bool) & table["label_changed"].astype(bool) & valid


def others_in(table: pd.DataFrame) -> list[str]:
    """Return the names of the other classifiers in a table of measures."""
    return [c.removeprefix(SAYS) for c in table.columns if c.startswith(SAYS)]


def right_everywhere(table: pd.DataFrame) -> set[str]:
    """Return the ids of the attacked images that all classifiers get right."""
    genuine = table[(table["group"] == GENUINE) & ~table["pool"]]
    right = genuine["prediction"] == genuine["label"]
    for name in others_in(table):
        right &= genuine[f"{SAYS}{name}"] == genuine["label"]
    return set(genuine["id"][right])


def with_transfer(table: pd.DataFrame) -> pd.DataFrame:
    """Add `transfer`, the share of the other classifiers that an example fools.

    It is NaN where the example does not fool its own classifier, and for images that some
    classifier gets wrong to begin with.
    """
    others = others_in(table)
    if not others:
        return table
    changed = [table[f"{SAYS}{name}"] != table["label"] for name in others]
    share = np.mean(np.stack(changed), axis=0)
    counted = _attacked(table) & fooled_rows(table) & table["id"].isin(right_everywhere(table))
    return table.assign(transfer=np.where(counted, share, np.nan))


def fooled_rows(table: pd.DataFrame) -> pd.Series:
    """As `fooled_own`, for a table with genuine rows: False for these."""
    own = _attacked(table)
    found = pd.Series(False, index=table.index)
    found[own] = fooled_own(table[own])
    return found


def outcomes(table: pd.DataFrame, recipes: Sequence[str]) -> pd.DataFrame:
    """Return one row per recipe, victim and image, as `attacks.transfer.success_rates` takes it.

    The rows of the victim `own` are the images that the classifier gets right; those of another
    one the examples that fool the first, of images that all classifiers get right.
    """
    everywhere = right_everywhere(table)
    parts = []
    for recipe in recipes:
        rows = table[(table["group"] == recipe) & table["clean_correct"].fillna(False).astype(bool)]
        fooled = fooled_own(rows)
        parts.append(_part(rows, recipe, OWN, rows["prediction"], fooled))
        seen = rows[fooled & rows["id"].isin(everywhere)]
        for name in others_in(table):
            said = seen[f"{SAYS}{name}"]
            parts.append(_part(seen, recipe, name, said, said != seen["label"]))
    return pd.concat(parts, ignore_index=True)


def rates(told: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Return how often each recipe fools: columns recipe, victim, n, rate, low, high.

    Victims are `own`, every other classifier and `others`, their mean. Intervals are Wilson's, of
    the mean a bootstrap over the images.

    Args:
        told: what `outcomes` returned.
        seed: of the bootstrap.
    """
    found = success_rates(told, seed=seed)
    return found[found["source"] == OWN].drop(columns="source").reset_index(drop=True)


def gains(
    told: pd.DataFrame, reference: str, recipes: Sequence[str], *, seed: int = 0
) -> pd.DataFrame:
    """Return how much more often each recipe fools than a reference does, on the same images.

    Args:
        told: what `outcomes` returned.
        reference: the recipe that the others are compared with.
        recipes: the others.
        seed: of bootstrap and tests.

    Returns:
        Columns recipe, victim, n (images that count for both), rate, reference_rate, gain, low,
        high, p, p_holm: McNemar's exact test for a single victim, a sign-flip test of the mean over
        images for `others`. p_holm is adjusted over the recipes for each victim apart; it is NaN
        for controls, which are no part of the question.
    """
    frames = [
        paired_gain(told, recipe, reference, seed=seed) for recipe in recipes if recipe != reference
    ]
    if not frames:
        return pd.DataFrame()
    found = pd.concat(frames, ignore_index=True)
    found = found[found["source"] == OWN].drop(columns=["source", "reference"])
    control = found["recipe"].map(is_control)
    found["p_holm"] = np.nan
    for _, rows in found[~control].groupby("victim").groups.items():
        found.loc[rows, "p_holm"] = holm(found.loc[rows, "p"].to_numpy())
    return found.reset_index(drop=True)


def of_victim(rows: pd.DataFrame, victim: str = OTHERS) -> pd.DataFrame:
    """Return the rows of one victim, by recipe."""
    return rows[rows["victim"] == victim].set_index("recipe") if len(rows) else rows


def _attacked(table: pd.DataFrame) -> pd.Series:
    return (table["group"] != GENUINE) & table["status"].notna()


def _part(
    rows: pd.DataFrame, recipe: str, victim: str, prediction: pd.Series, fooled: pd.Series
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": rows["id"],
            "label": rows["label"],
            "recipe": recipe,
            "source": OWN,
            "victim": victim,
            "prediction": prediction,
            "fooled": fooled.astype(bool),
        }
    )
