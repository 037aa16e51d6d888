"""What is so over all moves: each figure with its interval, beside that of the random moves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.errors import InputError
from core.statistics import bootstrap
from interpret.moves.explaining import MOVE, RANDOM, Explanation

FIGURES = (
    "changed", "prediction_changed", "as_predicted", "goes", "goes_as_predicted", "overlap",
    "own_class_before", "own_class_after", "entropy_before", "entropy_after",
    "neighbourhood_changes_at", "prediction_changes_at", "length_of_nearest",
    "length_of_same_class", "length_of_other_class", "percentile_before", "percentile_after",
    "residual_percentile_before", "residual_percentile_after", "towards_cosine",
    "mean_difference_cosine", "ahead_share",
)  # fmt: skip


def summary(explanation: Explanation, *, seed: int = 0) -> pd.DataFrame:
    """Return the mean of each figure over moves, over random ones, and of the paired difference.

    A row per figure that the explanation has: those of `explain_move`, and the shares of moves
    whose neighbourhood changes class (`changed`), whose prediction does (`prediction_changed`),
    that end among neighbours of the class predicted there (`as_predicted`), that go to some class's
    mean (`goes`), and to that of the class predicted at their end (`goes_as_predicted`).

    Args:
        explanation: of two moves or more.
        seed: of the resamples.

    Returns:
        `figure`, `kind` (`move`, `random`, or `difference`, move less random), `n`, `mean`, and
        `low` and `high`, 95 % intervals by bootstrap over examples. A figure that is not defined
        for some moves, such as a place of change, is taken over the others (and has no difference).

    Raises:
        InputError: fewer than two moves.
    """
    tables = {kind: _figures(explanation.of(kind)) for kind in (MOVE, RANDOM)}
    if len(tables[MOVE]) < 2:
        raise InputError(f"moves: expected at least 2, found {len(tables[MOVE])}.")
    rows = []
    for figure in FIGURES:
        values = {kind: table[figure].to_numpy(float) for kind, table in tables.items()}
        if all(np.isfinite(v).all() for v in values.values()):
            values["difference"] = values[MOVE] - values[RANDOM]
        for kind, found in values.items():
            known = found[np.isfinite(found)]
            if len(known) < 2:
                continue
            band = bootstrap(known, seed=seed, method="percentile")
            rows.append(
                {"figure": figure, "kind": kind, "n": len(known), "mean": band.estimate,
                 "low": band.low, "high": band.high}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _figures(moves: pd.DataFrame) -> pd.DataFrame:
    """Add the shares that are told from several columns."""
    predicted = moves["prediction_after"]
    known = predicted.notna().all()
    unknown = np.full(len(moves), np.nan)
    return moves.assign(
        changed=moves["neighbourhood_after"] != moves["neighbourhood_before"],
        goes=moves["towards"] >= 0,
        prediction_changed=predicted != moves["prediction_before"] if known else unknown,
        as_predicted=moves["neighbourhood_after"] == predicted if known else unknown,
        goes_as_predicted=moves["towards"] == predicted if known else unknown,
    )


def first_layers(explanations: Mapping[str, Explanation], kind: str = MOVE) -> pd.DataFrame:
    """Return at which layer the neighbourhood of each move's end is first of another class.

    Args:
        explanations: layer -> explanation of the same examples' moves, from shallow to deep.
        kind: `move` or `random`.

    Returns:
        `id` and `first_layer`: the first from which on, at all deeper layers given, too, the end
        has another neighbourhood than the start; None where it is the same at the deepest. What
        changes and changes back is no beginning.

    Raises:
        InputError: no layer, or other examples at different layers.
    """
    if not explanations:
        raise InputError("explanations: expected at least one layer.")
    tables = {layer: found.of(kind) for layer, found in explanations.items()}
    names = [tuple(table["id"]) for table in tables.values()]
    if len(set(names)) > 1:
        raise InputError("explanations: expected the same examples at every layer.")
    changed = np.stack(
        [t["neighbourhood_after"] != t["neighbourhood_before"] for t in tables.values()], 1
    )
    lasting = np.logical_and.accumulate(changed[:, ::-1], axis=1).sum(1)
    layers = list(tables)
    first = [layers[-int(count)] if count else None for count in lasting]
    return pd.DataFrame({"id": names[0], "first_layer": pd.Series(first, dtype=object)})
