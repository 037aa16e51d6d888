"""What a study of transfer found, in sentences with their numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from attacks.transfer.analysis import CERTAINTY, Analysis, weighted, without_source
from attacks.transfer.cells import ALL
from attacks.transfer.recipes import base
from core.report import Finding, words
from core.statistics import Interval

FEW = 50
"""Images below which the report says that it is too small."""

LEVEL = 0.05


def findings(analysis: Analysis, labels: Mapping[str, str], tried: int) -> list[Finding]:
    """Return the findings, the answer first.

    Args:
        analysis: what was compared.
        labels: the short names of the recipes.
        tried: images that were tried, of which those that all classifiers get right were attacked.
    """
    if not analysis.images:
        return [
            Finding(
                f"None of {tried:,} images is classified correctly by all "
                f"{len(analysis.classifiers)} classifiers, so there is nothing to attack."
            )
        ]
    found = [_answer(analysis, labels)]
    if analysis.images < FEW:
        found.append(
            Finding(
                f"{analysis.images} images are too few for a claim: intervals are wide, and what "
                "is not significant here may well be there.",
                None,
                "small sample",
            )
        )
    found += [f for f in (_range(analysis, labels), _gains(analysis, labels)) if f]
    found += [_curve(kind, curve, labels) for kind, curve in analysis.curves.items()]
    others = (_shared, _wrong, _confidence, _alignment, _flatness)
    found += [finding for tell in others if (finding := tell(analysis, labels)) is not None]
    return found


def _answer(analysis: Analysis, labels: Mapping[str, str]) -> Finding:
    main = analysis.main
    row = analysis.rate(main)
    pairs = len(analysis.classifiers) * (len(analysis.classifiers) - 1)
    text = (
        f"Of the examples that {labels[main]} makes on one classifier, {spoken(row)} fool another "
        f"one (mean over {pairs} ordered pairs, {analysis.images:,} images); "
        f"{words.percent(analysis.white_box(main))} fool the one they are made on."
    )
    controls = [
        f"{_CONTROLS.get(recipe.name, labels[name])} {words.percent(analysis.rate(name)['rate'])}"
        for name, recipe in analysis.recipes.items()
        if recipe.control and str(base(recipe)) == main
    ]
    if controls:
        text += f" Controls: {words.several(controls)}."
    return Finding(text)


_CONTROLS = {
    "noise": "random noise of the same length fools",
    "shuffled": "the step of another image",
}


def _range(analysis: Analysis, labels: Mapping[str, str]) -> Finding | None:
    rates = analysis.rates[analysis.rates["recipe"] == analysis.main]
    known = set(analysis.classifiers)
    cells = rates[
        rates["source"].isin(known)
        & rates["victim"].isin(known)
        & (rates["source"] != rates["victim"])
    ].sort_values("rate", kind="stable")
    if len(cells) < 3:
        return None
    low, high = cells.iloc[0], cells.iloc[-1]
    return Finding(
        f"It depends on the pair: from {spoken(low)} ({low['source']} to {low['victim']}) to "
        f"{spoken(high)} ({high['source']} to {high['victim']}), with {labels[analysis.main]}."
    )


def over_all(gains: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of gains that are means over all pairs of classifiers."""
    return gains[gains["source"] == ALL] if len(gains) else gains


def _gains(analysis: Analysis, labels: Mapping[str, str]) -> Finding | None:
    rows = over_all(analysis.gains)
    rows = rows[[not analysis.recipes[r].control for r in rows["recipe"]]] if len(rows) else rows
    if not len(rows):
        return None
    better = rows[(rows["gain"] > 0) & (rows["p_holm"] < LEVEL)].sort_values(
        "gain", ascending=False, kind="stable"
    )
    worse = rows[(rows["gain"] < 0) & (rows["p_holm"] < LEVEL)]
    reference = labels[rows["reference"].iloc[0]]
    best = rows.sort_values("gain", ascending=False, kind="stable").iloc[0]
    if len(better):
        named = [f"{labels[r['recipe']]} ({points(r)})" for _, r in better.head(4).iterrows()]
        verb = "transfers" if len(better) == 1 else "transfer"
        text = f"{len(better)} of {len(rows)} recipes {verb} better than {reference}: "
        text += f"{words.several(named)}{'' if len(better) < 5 else ' and others'}."
    else:
        text = (
            f"None of {len(rows)} recipes transfers better than {reference} beyond chance; the "
            f"largest gain is that of {labels[best['recipe']]}: {points(best)}, "
            f"{words.p_value(best['p_holm'])} (Holm)."
        )
    if len(worse):
        text += f" Worse: {words.several([labels[r] for r in worse['recipe']])}."
    return Finding(text, bool(len(better) or len(worse)))


def _curve(kind: str, curve: pd.DataFrame, labels: Mapping[str, str]) -> Finding:
    rows = over_all(curve).sort_values("gain", ascending=False, kind="stable")
    best, sure = rows.iloc[0], rows["p_holm"] < LEVEL
    helps = bool(best["gain"] > 0 and best["p_holm"] < LEVEL)
    start = "A noisy classifier helps" if helps else "No scale helps beyond chance"
    text = (
        f"{start} ({kind} noise, {len(rows)} scales): the largest gain over "
        f"{labels[best['reference']]} is at scale {words.number(best['scale'])}, {points(best)}, "
        f"{words.p_value(best['p_holm'])} (Holm)."
    )
    worse = sorted(rows[sure & (rows["gain"] < 0)]["scale"])
    if worse:
        text += f" Worse: at {words.several([words.number(scale) for scale in worse])}."
    return Finding(text, helps or bool(worse))


def _shared(analysis: Analysis, labels: Mapping[str, str]) -> Finding | None:
    rows = without_source(analysis.shared)
    rows = rows[rows["recipe"] == analysis.main] if len(rows) else rows
    rows = rows[rows["kappa"].notna()] if len(rows) else rows
    if not len(rows):
        return None
    above = int((rows["kappa_low"] > 0).sum())
    common, by_chance = (words.percent(rows[c].mean()) for c in ("jaccard", "expected_jaccard"))
    return Finding(
        f"Are the same examples shared? Two victims have {common} of what fools either in common "
        f"(Jaccard index), where independent ones would have {by_chance}; kappa is "
        f"{words.number(rows['kappa'].mean(), 2)} on average, and its 95 % interval above 0 for "
        f"{words.count(above, len(rows))} pairs of victims, counted for each source "
        f"({labels[analysis.main]}).",
        above > len(rows) / 2,
        "shared" if above > len(rows) / 2 else "mostly not shared",
    )


def _wrong(analysis: Analysis, labels: Mapping[str, str]) -> Finding | None:
    if not len(analysis.wrong):
        return None
    rows = without_source(analysis.wrong)
    rows = rows[(rows["recipe"] == analysis.main) & (rows["n_both"] > 0)]
    if not len(rows):
        return None
    share, by_chance = (
        words.percent(weighted(rows[column], rows["n_both"])) for column in ("share", "shuffled")
    )
    above = int(((rows["p_holm"] < LEVEL) & (rows["share"] > rows["shuffled"])).sum())
    return Finding(
        f"Two victims fooled by the same example say the same wrong class in {share} of "
        f"{int(rows['n_both'].sum()):,} cases, against {by_chance} with wrong classes shuffled "
        f"among images of a class; more than that in {words.count(above, len(rows))} pairs, "
        f"counted for each source ({labels[analysis.main]}, Holm).",
        above > 0,
    )


def _signs(rows: pd.DataFrame) -> tuple[int, int]:
    """Return how many correlations are significantly positive and negative."""
    sure = rows["p_holm"] < LEVEL
    return int((sure & (rows["rho"] > 0)).sum()), int((sure & (rows["rho"] < 0)).sum())


def _of(analysis: Analysis, covariate: str, controlled: bool) -> pd.DataFrame:
    rows = analysis.relations
    if not len(rows):
        return rows
    rows = rows[(rows["recipe"] == analysis.main) & rows["rho"].notna()]
    return rows[(rows["covariate"] == covariate) & ((rows["controlled_for"] != "") == controlled)]


def _confidence(analysis: Analysis, labels: Mapping[str, str]) -> Finding | None:
    told = []
    sure = False
    for covariate, phrase in (
        (CERTAINTY, "the surer the source is of the genuine image"),
        ("victims_certainty", "the surer the victims are of it"),
        ("attack_margin", "the surer the source is of the wrong class"),
    ):
        rows = _of(analysis, covariate, False)
        if len(rows):
            up, down = _signs(rows)
            sure |= up + down > 0
            told.append(f"{phrase}, {_correlation(rows)}")
    if not told:
        return None
    return Finding(
        f"Confidence and the share of victims fooled, rank correlations over images by source: "
        f"{'; '.join(told)}.",
        sure,
    )


def _correlation(rows: pd.DataFrame) -> str:
    up, down = _signs(rows)
    low, high = rows["rho"].min(), rows["rho"].max()
    span = (
        f"{words.number(low, 2)} to {words.number(high, 2)}"
        if len(rows) > 1
        else words.number(low, 2)
    )
    return f"{span} (significant for {words.count(up + down, len(rows))} sources)"


def _alignment(analysis: Analysis, labels: Mapping[str, str]) -> Finding | None:
    rows = analysis.pairs
    if not len(rows):
        return None
    rows = rows[(rows["recipe"] == analysis.main) & rows["estimate"].notna()]
    auc, over = rows[rows["statistic"] == "auc"], rows[rows["statistic"] == "spearman"]
    told = []
    above = int(((auc["p_holm"] < LEVEL) & (auc["estimate"] > 0.5)).sum())
    if len(auc):
        told.append(
            f"within a pair of classifiers the images that transfer are those with better aligned "
            f"gradients in {words.count(above, len(auc))} pairs (mean AUC "
            f"{words.number(auc['estimate'].mean(), 2)})"
        )
    for _, row in over.iterrows():
        told.append(
            f"over the {int(row['n'])} pairs mean alignment and transfer correlate at "
            f"{words.interval(Interval(row['estimate'], row['low'], row['high']))} "
            f"({words.p_value(row['p'])} for other classifiers)"
        )
    return Finding(f"Gradient alignment: {'; '.join(told)}.", above > 0) if told else None


def _flatness(analysis: Analysis, labels: Mapping[str, str]) -> Finding | None:
    rows = analysis.relations
    if not len(rows):
        return None
    flat = [name for name in analysis.names if ":" in name]
    rows = rows[rows["covariate"].isin(flat) & rows["rho"].notna()]
    if not len(rows):
        return None
    raw, fixed = (rows[(rows["controlled_for"] != "") == held] for held in (False, True))
    counts = [(sum(_signs(part)), len(part)) for part in (raw, fixed)]
    text = (
        f"Flatness of the source's landscape goes with transfer in {words.count(*counts[0])} "
        f"relations, and in {words.count(*counts[1])} with the source's confidence held fixed"
    )
    if len(fixed):
        best = fixed.iloc[int(np.argmax(fixed["rho"].abs()))]
        text += (
            f"; the strongest of these: {analysis.names[best['covariate']]}, {best['source']}, "
            f"{words.interval(Interval(best['rho'], best['low'], best['high']))}"
        )
    return Finding(f"{text}.", counts[1][0] > 0)


def spoken(row: pd.Series) -> str:
    """Return a rate with its interval, in per cent."""
    return words.interval(Interval(row["rate"], row["low"], row["high"]), scale=100, unit="%")


def points(row: pd.Series) -> str:
    """Return a gain with its interval, in percentage points."""
    if not np.isfinite(row["gain"]):
        return "n/a"
    band = Interval(row["gain"], row["low"], row["high"])
    return f"{words.interval(band, scale=100)} points"
