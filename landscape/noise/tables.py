"""The tables of a report of noise: a row per recipe, numbers with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from attacks.transfer.cells import OTHERS
from core.report import words
from landscape.measures import LOSS, measure_of, title
from landscape.noise.analysis import STATED, Analysis
from landscape.noise.claims import compared_claim, curve_claim, gain_claim, interval_of
from landscape.noise.measures import ALL, TRANSFER
from landscape.noise.rates import OWN, of_victim
from landscape.reporting import compared_table as landscape_table

STAR = " *"
"""Of what is significant."""
Labels = Mapping[str, str]


def absolute_table(analysis: Analysis, labels: Labels) -> pd.DataFrame:
    """Return what every recipe finds, by itself."""
    own, others = of_victim(analysis.rates, OWN), of_victim(analysis.rates)
    values = analysis.values.set_index(["recipe", "measure"])
    stated = dict(zip(STATED, ("gradients", "own loss", "true-class loss", "confidence", "l2",
                               "linf"), strict=True))  # fmt: skip
    measures = [m for m in values.index.unique("measure") if m not in STATED]
    rows = []
    for recipe, family in analysis.families.items():
        row: dict[str, object] = {"recipe": labels[recipe], "family": family}
        row["fooled"] = _rate(own, recipe)
        for name in [*STATED, *measures]:
            known = values.loc[[(recipe, name)]] if (recipe, name) in values.index else None
            shown = stated.get(name) or title(name, ALL, short=True)
            row[shown] = "n/a" if known is None else _interval(known.iloc[0])
        if len(others) and others["n"].sum():
            row["fools others"] = _rate(others, recipe)
        rows.append(row)
    return pd.DataFrame(rows)


def compared_table(analysis: Analysis, labels: Labels) -> pd.DataFrame:
    """Return how every recipe compares with the reference on the same images."""
    own, others = of_victim(analysis.gains, OWN), of_victim(analysis.gains)
    names = _measures(c.paired["measure"] for kind, c in analysis.against.items()
                      if kind != TRANSFER)  # fmt: skip
    rows = []
    for recipe in analysis.families:
        if recipe == analysis.reference:
            continue
        row: dict[str, object] = {"recipe": labels[recipe], "fooled, points": _gain(own, recipe)}
        pairs = analysis.raw(recipe, "l2")
        row["pairs"] = "n/a" if pairs is None else int(pairs["n"])
        for name in names:
            row[title(name, ALL, short=True)] = _compared(
                analysis.raw(recipe, name.partition("@")[0]), name
            )
        if len(others):
            row["fools others, points"] = _gain(others, recipe)
        rows.append(row)
    return pd.DataFrame(rows)


def equal_table(analysis: Analysis, labels: Labels) -> pd.DataFrame:
    """Return how every attack compares with the reference on the same images at equal loss."""
    names = _measures([analysis.same["measure"]]) if len(analysis.same) else []
    rows = []
    for recipe in analysis.attacks:
        pairs = analysis.equal(recipe, "l2")
        row: dict[str, object] = {
            "recipe": labels[recipe],
            "pairs": 0 if pairs is None else int(pairs["n"]),
        }
        for name in names:
            found = analysis.equal(recipe, name.partition("@")[0])
            row[title(name, ALL, short=True)] = _compared(found, name)
        rows.append(row)
    return pd.DataFrame(rows)


def matched_table(analysis: Analysis, labels: Labels) -> pd.DataFrame:
    """Return all comparisons with the reference, raw and with partners of equal loss."""
    parts = [landscape_table(c, dict(labels)) for c in analysis.against.values()]
    return pd.concat(parts, ignore_index=True)


def curve_table(analysis: Analysis) -> pd.DataFrame:
    """Return the numbers of the curves over the scale of the noise."""
    rows = []
    for kind, curve in analysis.curves.items():
        for _, line in curve.iterrows():
            row: dict[str, object] = {"noise": kind, "scale": line["scale"]}
            for key, shown, scale in (
                ("success", "fooled, points", 100.0),
                ("true_loss", "true-class loss, nats", 1.0),
                ("l2", "l2", 1.0),
                ("flat", "rise under noise", 1.0),
                ("flat_same", "rise under noise, equal loss", 1.0),
                ("transfer", "fools others, points", 100.0),
                ("transfer_same", "fools others at equal loss, points", 100.0),
            ):
                row[shown] = _ends(line, key, scale) if key in line else "n/a"
            row["pairs at equal loss"] = line.get("flat_same_n", 0)
            rows.append(row)
    return pd.DataFrame(rows)


def transfer_table(analysis: Analysis, labels: Labels) -> pd.DataFrame:
    """Return the share of examples that fool each other classifier, and the gain over all."""
    victims = [v for v in analysis.rates["victim"].drop_duplicates() if v not in (OWN, OTHERS)]
    if not victims:
        return pd.DataFrame({"recipe": []})
    gain = of_victim(analysis.gains)
    rows = []
    for recipe in analysis.families:
        row: dict[str, object] = {"recipe": labels[recipe]}
        for victim in victims:
            row[victim] = _rate(of_victim(analysis.rates, victim), recipe)
        row["mean"] = _rate(of_victim(analysis.rates), recipe)
        row["more than the reference, points"] = _gain(gain, recipe)
        rows.append(row)
    return pd.DataFrame(rows)


def relations_table(analysis: Analysis, labels: Labels) -> pd.DataFrame:
    """Return the correlations of flatness with transfer."""
    rows: list[dict[str, object]] = []
    for _, row in analysis.recipes.iterrows():
        rows.append(
            {
                "over": f"{int(row['n'])} recipes",
                "measure": title(row["covariate"], ALL, short=True),
                "held fixed": "same image, equal loss" if row["kind"] != "raw" else "",
                "rank correlation": _interval(row, "rho"),
                "p (Holm)": "n/a",
            }
        )
    for _, row in analysis.examples.iterrows():
        rows.append(
            {
                "over": f"{int(row['n'])} examples of {labels[row['recipe']]}",
                "measure": title(row["covariate"], ALL, short=True),
                "held fixed": "loss" if row["controlled_for"] == LOSS else "",
                "rank correlation": _interval(row, "rho"),
                "p (Holm)": words.p_value(float(row["p_holm"])),
            }
        )
    return pd.DataFrame(rows)


def _measures(columns: Iterable[pd.Series]) -> list[str]:
    """Return the columns that are compared, in order, none twice."""
    return list(dict.fromkeys(name for column in columns for name in column))


def _rate(rows: pd.DataFrame, recipe: str) -> str:
    def told(row: pd.Series) -> str:
        shown = words.interval(interval_of(row, "rate"), scale=100, unit="%")
        return f"{shown} of {int(row['n'])}"

    return _of(rows, recipe, told)


def _gain(rows: pd.DataFrame, recipe: str) -> str:
    def told(row: pd.Series) -> str:
        return words.interval(interval_of(row, "gain"), scale=100) + STAR * bool(gain_claim(row))

    return _of(rows, recipe, told)


def _of(rows: pd.DataFrame, recipe: str, told: Callable[[pd.Series], str]) -> str:
    for _, row in rows[rows.index == recipe].iterrows():
        return told(row) if row["n"] else "n/a"
    return "n/a"


def _compared(row: pd.Series | None, name: str) -> str:
    if row is None or not np.isfinite(row["estimate"]):
        return "n/a"
    times = "" if row["effect"] == "difference" else "× "
    scale = 100.0 if measure_of(name, ALL).family == TRANSFER else 1.0
    star = STAR * bool(compared_claim(row))
    return times + words.interval(interval_of(row), scale=scale) + star


def _ends(row: pd.Series, key: str, scale: float) -> str:
    found = interval_of(row, key, f"{key}_")
    if not np.isfinite(found.estimate):
        return "n/a"
    times = "× " if row.get(f"{key}_effect", "difference") != "difference" else ""
    return times + words.interval(found, scale=scale) + STAR * bool(curve_claim(row, key))


def _interval(row: pd.Series, estimate: str = "estimate") -> str:
    found = interval_of(row, estimate)
    return words.interval(found) if np.isfinite(found.estimate) else "n/a"
