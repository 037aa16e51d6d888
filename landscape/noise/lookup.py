"""One group and one measure, looked up in what was compared."""

from __future__ import annotations

import pandas as pd

from landscape.comparison import Comparison


def same_of(same: pd.DataFrame, recipe: str, measure: str) -> pd.Series | None:
    """Return the row of `equal_loss.same_images` of a recipe and a measure, or None."""
    if not len(same):
        return None
    own = same["measure"].str.partition("@")[0] == measure
    found = same[own & (same["group"] == recipe)]
    return found.iloc[0] if len(found) else None


def row_of(comparison: Comparison | None, group: str, measure: str) -> pd.Series | None:
    """Return what a comparison says of a group and a measure: raw, at equal loss, verdict."""
    if comparison is None:
        return None
    both = comparison.discrimination.merge(
        comparison.paired, on=["group", "measure"], suffixes=("", "_pair")
    )
    own = both["measure"].str.partition("@")[0] == measure
    found = both[own & (both["group"] == group)]
    return found.iloc[0] if len(found) else None
