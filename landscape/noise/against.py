"""Recipes compared with a reference recipe, as `landscape.compare` compares groups with genuine.

The reference's examples take the place of the genuine images. Then the raw comparison is that of
the examples which two recipes make of the same image, and the matched one pairs a recipe's examples
with the reference's of (nearly) the same loss, whatever image they come from: what is left there is
not that one recipe drives the classifier to more confidence than the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from core.report.versions import GENUINE
from landscape.comparison import SUCCESS, Comparison, compare
from landscape.measures import LOSS, Measures, headline_columns


def against(
    table: pd.DataFrame,
    reference: str,
    recipes: Sequence[str],
    measures: Measures,
    *,
    seed: int = 0,
) -> Comparison | None:
    """Compare the examples of recipes with those of a reference, paired by image and at equal loss.

    An image counts where both recipes succeeded (a noise control: where its step has the asked
    length) and everything was measured of both examples.

    Args:
        table: one row per group and example, as `landscape.comparison.compare` takes it. `loss` is
            that of the class predicted at the example: what examples are matched on.
        reference: the group that takes the place of the genuine images.
        recipes: the groups that are compared with it.
        measures: what is compared, by name.
        seed: of the bootstrap.

    Returns:
        What `compare` returns. Its `paired` says how a recipe differs from the reference on the
        same images, its `discrimination` also how it does at equal loss; `beyond` is 1 or -1 where
        a recipe's values are larger or smaller at equal loss, after Holm's correction over recipes
        and measures. None where no recipe has an image in common with the reference.
    """
    columns = [LOSS, *headline_columns(table.columns, measures)]
    usable = table[(table["status"] == SUCCESS) & table[columns].notna().all(axis=1)]
    ours = usable[usable["group"] == reference]
    # `compare` takes genuine images that are classified correctly; here: as they are predicted.
    base = ours.assign(group=GENUINE, label=ours["prediction"], pool=False, clean_correct=True)
    known = set(ours["id"])
    others = [
        usable[(usable["group"] == recipe) & usable["id"].isin(known)]
        for recipe in recipes
        if recipe != reference
    ]
    kept = [rows.assign(pool=False) for rows in others if len(rows)]
    if not kept:
        return None
    return compare(pd.concat([base, *kept], ignore_index=True), measures, seed=seed)
