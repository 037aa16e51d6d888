"""The tables of the report on transfer, in the words and numbers that a reader wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from attacks.recipes import parse
from attacks.transfer.analysis import Analysis
from attacks.transfer.cells import ALL, OTHERS
from attacks.transfer.crossing import VALID
from attacks.transfer.findings import points
from attacks.transfer.recipes import ball
from core.report import words
from core.report.tables import intervals
from core.statistics import clopper_pearson

if TYPE_CHECKING:
    from attacks.transfer.study import TransferStudy


def rates(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return every rate, means first."""
    rows = analysis.rates
    return pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "source": rows["source"],
            "victim": rows["victim"],
            "images": rows["n"],
            "fooled": intervals(rows, ("rate", "low", "high"), scale=100, unit="%"),
        }
    ).iloc[_means_first(rows)]


def _means_first(rows: pd.DataFrame) -> np.ndarray:
    """Order rows so that means over all pairs come first, then over others, then single pairs."""
    rank = np.where(rows["source"] == ALL, 0, np.where(rows["victim"] == OTHERS, 1, 2))
    return np.argsort(rank, kind="stable")


def _main_first(rows: pd.DataFrame, main: str) -> pd.DataFrame:
    """Return the rows of the main recipe before those of the others, and the controls last."""
    rank = [0 if r == main else 1 + parse(r).control for r in rows["recipe"]]
    return rows.iloc[np.argsort(np.array(rank, dtype=int), kind="stable")]


def p_values(rows: pd.DataFrame) -> pd.Series:
    """Return the corrected p values as cells, `0.13` or `< 0.001`, under a heading that says p."""
    return rows["p_holm"].map(lambda p: words.p_value(p).removeprefix("p ").removeprefix("= "))


def _telling(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table without the columns that say nothing: no note, one reference for all."""
    silent = [c for c in ("note", "held fixed") if c in table and (table[c] == "").all()]
    same = [c for c in ("over",) if c in table and table[c].nunique() == 1]
    return table.drop(columns=silent + same)


def gains(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return every gain over the reference, means first."""
    rows = _main_first(analysis.gains, analysis.main)
    rows = rows.iloc[_means_first(rows)]
    table = pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "over": rows["reference"].map(labels),
            "source": rows["source"],
            "victim": rows["victim"],
            "gain, points": [points(row).removesuffix(" points") for _, row in rows.iterrows()],
            "p (Holm)": p_values(rows),
            "only it": rows["only_recipe"],
            "only other": rows["only_reference"],
        }
    )
    return _telling(table)


def curves(analysis: Analysis) -> pd.DataFrame:
    """Return the curves over the scale of the noise."""
    parts = []
    for kind, rows in analysis.curves.items():
        parts.append(
            pd.DataFrame(
                {
                    "noise": kind,
                    "scale": rows["scale"],
                    "source": rows["source"],
                    "transfer": rows["rate"].map(words.percent),
                    "without noise": rows["reference_rate"].map(words.percent),
                    "gain, points": [
                        points(row).removesuffix(" points") for _, row in rows.iterrows()
                    ],
                    "p (Holm)": p_values(rows),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def shared(rows: pd.DataFrame, labels: Mapping[str, str], fixed: str, main: str) -> pd.DataFrame:
    """Return the overlaps of fooled sets; `fixed` is what the two have in common."""
    rows = _main_first(rows, main)
    return pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            fixed: rows[fixed],
            "first": rows["first"],
            "second": rows["second"],
            "1st": rows["n_first"],
            "2nd": rows["n_second"],
            "both": rows["n_both"],
            "Jaccard": intervals(rows, ("jaccard", "jaccard_low", "jaccard_high")),
            "independent": rows["expected_jaccard"],
            "kappa": intervals(rows, ("kappa", "kappa_low", "kappa_high")),
            "p (Holm)": p_values(rows),
        }
    )


def wrong(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return how often two victims say the same wrong class."""
    rows = _main_first(analysis.wrong, analysis.main)
    return pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "source": rows["source"],
            "first": rows["first"],
            "second": rows["second"],
            "fool both": rows["n_both"],
            "same class": intervals(rows, ("share", "low", "high"), scale=100, unit="%"),
            "shuffled": rows["shuffled"].map(words.percent),
            "p (Holm)": p_values(rows),
        }
    )


def relations(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return the rank correlations over images."""
    rows = _main_first(analysis.relations, analysis.main)
    table = pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "source": rows["source"],
            "with": rows["covariate"].map(analysis.names),
            "held fixed": ["confidence" if held else "" for held in rows["controlled_for"]],
            "images": rows["n"],
            "correlation": intervals(rows, ("rho", "low", "high")),
            "p (Holm)": p_values(rows),
            "note": rows["reason"].fillna(""),
        }
    )
    return _telling(table)


def pairs(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return what alignment says of the pairs of classifiers."""
    rows = _main_first(analysis.pairs, analysis.main)
    kinds = {"auc": "AUC", "spearman": "rank correlation over pairs"}
    table = pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "source": rows["source"],
            "victim": rows["victim"],
            "statistic": rows["statistic"].map(kinds),
            "n": rows["n"],
            "estimate": intervals(rows, ("estimate", "low", "high")),
            "p (Holm)": p_values(rows),
            "note": rows["reason"].fillna(""),
        }
    )
    return _telling(table)


def classifiers(study: TransferStudy, clean: pd.DataFrame) -> pd.DataFrame:
    """Return who the classifiers are, and how often they are right."""
    rows = []
    for name, member in study.members.items():
        own = clean[clean["classifier"] == name]
        accuracy = clopper_pearson(int(own["correct"].sum()), len(own))
        rows.append(
            {
                "classifier": name,
                "network": member.spec,
                "weights": study.fingerprints[name][:12],
                "normalisation": str(study.loaded[name].normalisation or "none"),
                "right": int(own["correct"].sum()),
                "of": len(own),
                "accuracy": words.interval(accuracy, scale=100, unit="%"),
            }
        )
    return pd.DataFrame(rows)


def recipes(study: TransferStudy, table: pd.DataFrame) -> pd.DataFrame:
    """Return what every recipe may spend, and what it spent."""
    once = table[table["victim"] == table["source"]].groupby("recipe", sort=False)
    cost = once[["forwards", "backwards", "l2", "linf"]].mean()
    invalid = once["status"].apply(lambda status: int((status != VALID).sum()))
    rows = []
    for text, recipe in study.recipes.items():
        norm, eps = ball(recipe)
        rows.append(
            {
                "recipe": study.labels[text],
                "norm": norm,
                "radius": "no fixed radius" if eps is None else words.number(eps),
                "gradients at most": recipe.gradients,
                "gradients": cost.loc[text, "backwards"],
                "forward passes": cost.loc[text, "forwards"],
                "mean l2": cost.loc[text, "l2"],
                "mean linf": cost.loc[text, "linf"],
                "invalid": invalid[text],
                "in full": recipe.full,
            }
        )
    return pd.DataFrame(rows)


def recipes_caption(study: TransferStudy) -> str:
    """Return the caption of the table of recipes."""
    balls = {ball(recipe) for recipe in study.recipes.values()}
    caption = (
        f"The recipes: at most {study.gradients} gradients each; what was spent and how far images "
        "were moved, means over images and sources. A control's gradients are those of the recipe "
        "that it is like."
    )
    if len(balls) > 1:
        caption += (
            f" There are {len(balls)} kinds of norm and radius: recipes of different kinds are not "
            "rivals, and gains are over a reference of the same kind."
        )
    return caption
