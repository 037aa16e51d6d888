"""How what is found depends on the scale of the noise in the classifier."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from attacks.recipes import Recipe
from attacks.transfer.cells import OTHERS
from landscape.comparison import Comparison
from landscape.measures import Measures
from landscape.noise.against import against
from landscape.noise.equal_loss import same_images
from landscape.noise.lookup import row_of, same_of
from landscape.noise.measures import REACHED, SHAPE, TRANSFERRED
from landscape.noise.rates import OWN, gains, of_victim


def scale_curve(
    table: pd.DataFrame,
    told: pd.DataFrame,
    reference: str,
    scales: Mapping[float, Recipe],
    lead: str,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the recipes of a curve with the reference, one row per scale.

    Args:
        table: of examples, with `transfer`.
        told: what `rates.outcomes` returned.
        reference: the recipe without noise.
        scales: scale -> recipe.
        lead: the measure of flatness that the curve is about.
        seed: of bootstrap and tests.

    Returns:
        Columns scale, recipe; and, each with `_low`, `_high`, `_n` and a `_p` corrected over scales
        and measures: `success` and `transfer` (gains over the reference, as shares; `_rate` is the
        recipe's own), and for `true_loss` (differences in nats), `l2` and the lead (`flat`; their
        `_effect` says whether ratios or differences) the raw comparison on the same images; with
        `_same` that on the same images at equal loss, with `_matched` that with examples of equal
        loss of any image. So for `transfer`, as differences of shares.
    """
    names = {str(recipe): scale for scale, recipe in sorted(scales.items())}
    gained = gains(told, reference, list(names), seed=seed)
    told_of = {"success": of_victim(gained, OWN), "transfer": of_victim(gained, OTHERS)}
    measures: Measures = {lead: SHAPE[lead], **REACHED}
    shape = against(table, reference, list(names), measures, seed=seed)
    shown: Comparison | None = None
    if "transfer" in table and table["transfer"].notna().any():
        shown = against(table, reference, list(names), TRANSFERRED, seed=seed)
    same = same_images(table, reference, list(names), {**measures, **TRANSFERRED})
    rows = []
    for name, scale in names.items():
        row: dict[str, object] = {"scale": scale, "recipe": name}
        for key, gain in told_of.items():
            for _, own in gain[gain.index == name].iterrows():
                row |= _gained(key, own)
        for key, measure in (
            ("true_loss", "true_loss"), ("l2", "l2"), ("flat", lead), ("transfer", "transfer"),
        ):  # fmt: skip
            comparison = shown if measure == "transfer" else shape
            found = row_of(comparison, name, measure)
            if found is not None:
                row |= {} if key == "transfer" else _paired(key, found)
                row |= _matched(f"{key}_matched", found)
            equal = same_of(same, name, measure)
            if equal is not None:
                row |= _paired(f"{key}_same", equal)
        rows.append(row)
    return pd.DataFrame(rows)


def _gained(key: str, row: pd.Series) -> dict[str, object]:
    return {
        key: row["gain"], f"{key}_low": row["low"], f"{key}_high": row["high"],
        f"{key}_p": row["p_holm"], f"{key}_n": row["n"], f"{key}_rate": row["rate"],
    }  # fmt: skip


def _paired(key: str, row: pd.Series) -> dict[str, object]:
    return {
        key: row["estimate"], f"{key}_low": row["low"], f"{key}_high": row["high"],
        f"{key}_p": row["p_holm"], f"{key}_n": row["n"], f"{key}_effect": row["effect"],
    }  # fmt: skip


def _matched(key: str, row: pd.Series) -> dict[str, object]:
    return {
        key: row["matched_estimate"], f"{key}_low": row["matched_effect_low"],
        f"{key}_high": row["matched_effect_high"], f"{key}_p": row["matched_p_holm"],
        f"{key}_n": row["matched_n"],
    }  # fmt: skip
