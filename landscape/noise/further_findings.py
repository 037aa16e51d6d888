"""Further findings: the scale of the noise, flatness and transfer, and the ways themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.report import Finding, words
from landscape.noise.analysis import LEAD, Analysis
from landscape.noise.claims import LEVEL, curve_claim, interval_of
from landscape.noise.recipes import KINDS
from landscape.noise.relations import EQUAL

_RESPONSES = (
    ("flat_same", "the rise under noise at equal loss, times that without noise", 1.0),
    ("transfer", "transfer in points", 100.0),
    ("transfer_same", "transfer in points at equal loss", 100.0),
    ("success", "success in points", 100.0),
)


def curve_finding(kind: str, curve: pd.DataFrame) -> Finding:
    """Say what the scale of the noise does: flatness at equal loss, transfer, success."""
    name = KINDS.get(kind, kind)
    scales = words.several(words.number(float(scale)) for scale in curve["scale"])
    told, nothing = [], []
    for key, what, scale in _RESPONSES:
        if key not in curve or not np.isfinite(curve[key].astype(float)).any():
            continue
        hits = [
            f"{words.interval(interval_of(row, key, f'{key}_'), scale=scale)} at "
            f"{words.number(float(row['scale']))}"
            for _, row in curve.iterrows()
            if curve_claim(row, key)
        ]
        if hits:
            told.append(f"{what}: {words.several(hits)}")
        else:
            nothing.append(what)
    text = f"{name[0].upper()}{name[1:]} at scales {scales}, where it differs significantly from "
    text += f"none. {'. '.join(part[0].upper() + part[1:] for part in told) or 'Nowhere'}."
    if nothing:
        text += f" At no scale: {words.several(nothing)}."
    return Finding(text, bool(told))


def relation_finding(analysis: Analysis) -> Finding | None:
    """Say whether flat examples transfer, over examples and over recipes."""
    if not len(analysis.examples):
        return None
    own = analysis.examples[analysis.examples["covariate"].str.partition("@")[0] == LEAD]
    told = []
    for held, words_ in ((False, "as they are"), (True, "with the loss held fixed")):
        part = own[((own["controlled_for"] != "") == held) & own["rho"].notna()]
        if len(part):
            below = int(((part["p_holm"] < LEVEL) & (part["rho"] < 0)).sum())
            low, high = words.number(part["rho"].min(), 2), words.number(part["rho"].max(), 2)
            told.append(
                f"{words_} {low} to {high}, significantly negative for "
                f"{words.count(below, len(part))} recipes"
            )
    over = analysis.recipes
    for kind, words_ in (("raw", "as they are"), (EQUAL, "on the same images at equal loss")):
        rows = (
            over[(over["covariate"].str.partition("@")[0] == LEAD) & (over["kind"] == kind)]
            if len(over)
            else over
        )
        if len(rows) and np.isfinite(rows["rho"].iloc[0]):
            row = rows.iloc[0]
            shown = words.interval(interval_of(row, "rho"))
            told.append(f"over {int(row['n'])} recipes {words_} {shown}")
    return Finding(
        "Exploratory: rank correlation of the rise under noise with the share of other classifiers "
        f"fooled, over the examples of a recipe {'; '.join(told)}.",
        None,
        "exploratory",
    )


def ways_finding(analysis: Analysis, labels: Mapping[str, str]) -> Finding | None:
    """Say how straight the ways are."""
    if not len(analysis.ways):
        return None
    wide = analysis.ways.pivot(index="recipe", columns="measure", values="median")
    if analysis.reference not in wide.index or not {"cosine", "tortuosity"} <= set(wide.columns):
        return None
    cosine, own = (
        float(x) for x in wide.loc[analysis.reference, ["cosine", "tortuosity"]].to_numpy(float)
    )
    winds = {str(recipe): float(value) for recipe, value in wide["tortuosity"].dropna().items()}
    straight, winding = min(winds, key=winds.__getitem__), max(winds, key=winds.__getitem__)
    return Finding(
        f"Ways: successive steps of {labels[analysis.reference]} have a cosine of "
        f"{words.number(cosine, 2)} (median), and its way is "
        f"{words.number(own, 2)} times as long as the distance it gets; the "
        f"straightest way is that of {labels[straight]} ({words.number(winds[straight], 2)}), the "
        f"most winding that of {labels[winding]} ({words.number(winds[winding], 2)}).",
        None,
    )
