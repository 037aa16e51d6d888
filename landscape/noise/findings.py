"""What a study of noise found, in sentences with their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.report import Finding, words
from core.statistics import Interval
from landscape.measures import measure_of
from landscape.noise.analysis import LEAD, Analysis
from landscape.noise.measures import ALL
from landscape.noise.rates import OWN, of_victim
from landscape.noise.recipes import KINDS, NOISY
from landscape.noise.relations import EQUAL

LEVEL = 0.05
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Aspect:
    """What is asked of every recipe at equal loss, and the words for either answer."""

    measure: str
    larger: str
    smaller: str
    unit: str
    scale: float = 1.0


ASPECTS = (
    Aspect(LEAD, "sharper", "flatter", "times the rise under noise"),
    Aspect("l2", "farther away", "nearer", "times the l2 distance"),
    Aspect("transfer", "more transferable", "less transferable", "points", 100.0),
    Aspect("class_barrier", "worse connected", "better connected", "nats"),
)


def findings(analysis: Analysis, labels: Labels, budget: str) -> list[Finding]:
    """Return the findings, the answer first.

    Args:
        analysis: what was compared.
        labels: the names of the recipes.
        budget: what all have in common, in words.
    """
    found = [_answer(analysis, budget)]
    found += [_aspect(analysis, labels, aspect) for aspect in ASPECTS]
    found += [_success(analysis, labels), _other_flatness(analysis, labels), _twins(analysis)]
    found += [_curve(kind, curve) for kind, curve in analysis.curves.items() if len(curve)]
    found += [_relation(analysis, labels), _ways(analysis, labels)]
    return [finding for finding in found if finding is not None]


def sure(row: pd.Series | None) -> int:
    """Return 1 or -1 where a comparison is significantly larger or smaller, else 0."""
    if row is None or not np.isfinite(row["estimate"]) or not row["p_holm"] < LEVEL:
        return 0
    null = 0.0 if row["effect"] == "difference" else 1.0
    return int(np.sign(row["estimate"] - null))


def _tested(analysis: Analysis, recipe: str, measure: str) -> bool:
    row = analysis.equal(recipe, measure)
    return row is not None and bool(np.isfinite(row["estimate"]))


def _answer(analysis: Analysis, budget: str) -> Finding:
    """Say what noise in the optimisation does at equal loss."""
    noisy = analysis.of_family(*NOISY)
    if not noisy:
        return Finding(f"No recipe with noise was studied ({budget}).", None)
    told, any_ = [], False
    for aspect in ASPECTS:
        tested = [recipe for recipe in noisy if _tested(analysis, recipe, aspect.measure)]
        if not tested:
            continue
        signs = [sure(analysis.equal(recipe, aspect.measure)) for recipe in tested]
        up, down = signs.count(1), signs.count(-1)
        any_ |= bool(up or down)
        told.append(f"{_count(up, aspect.larger)}, {_count(down, aspect.smaller)}")
    if not told:
        return Finding(
            f"Noise in the optimisation ({budget}): no recipe with noise shares enough losses with "
            "sign PGD on the same images to be compared at equal loss.",
            None,
        )
    tested = [r for r in noisy if any(_tested(analysis, r, a.measure) for a in ASPECTS)]
    return Finding(
        f"Noise in the optimisation, at equal budget ({budget}), on the same images and at equal "
        f"loss, compared with sign PGD: of {len(tested)} recipes with noise "
        f"{'; '.join(told)} (Holm over recipes and measures).",
        any_,
    )


def _count(many: int, what: str) -> str:
    return f"{many or 'none'} {'is' if many in (0, 1) else 'are'} {what}"


def _aspect(analysis: Analysis, labels: Labels, aspect: Aspect) -> Finding | None:
    """Say which recipes differ from the reference in one aspect, at equal loss and raw."""
    tested = [r for r in analysis.attacks if _tested(analysis, r, aspect.measure)]
    if not tested:
        return None
    parts = []
    for sign, what in ((-1, aspect.smaller), (1, aspect.larger)):
        names = [r for r in tested if sure(analysis.equal(r, aspect.measure)) == sign]
        if names:
            said = [
                f"{labels[r]} {_size(analysis.equal(r, aspect.measure), aspect)}" for r in names
            ]
            parts.append(f"{what}: {words.several(said)}")
    name = measure_of(aspect.measure, ALL).title
    raw = [r for r in analysis.attacks if sure(analysis.raw(r, aspect.measure))]
    matched = [r for r in raw if _beyond(analysis, r, aspect.measure)]
    start = (
        f"At equal loss on the same images ({aspect.unit}): {'; '.join(parts)}."
        if parts
        else f"At equal loss on the same images no recipe differs from sign PGD in the {name}."
    )
    if aspect.measure == "transfer":
        raw = [r for r in analysis.attacks if sure_gain(analysis, r)]
        return Finding(
            f"{name[0].upper()}{name[1:]}. {start} As they are, {len(raw)} of "
            f"{len(analysis.attacks)} recipes differ significantly on the images that both fool.",
            bool(parts),
        )
    return Finding(
        f"{name[0].upper()}{name[1:]}. {start} As they are, {len(raw)} of {len(analysis.attacks)} "
        f"recipes differ significantly, and {len(matched)} of these also from sign PGD's examples "
        "of equal loss of any image.",
        bool(parts),
    )


def sure_gain(analysis: Analysis, recipe: str) -> bool:
    """Say whether a recipe's transfer differs significantly from the reference's."""
    rows = of_victim(analysis.gains)
    rows = rows[rows.index == recipe]
    return bool(len(rows) and rows["p_holm"].iloc[0] < LEVEL)


def _beyond(analysis: Analysis, recipe: str, measure: str) -> bool:
    row = analysis.raw(recipe, measure)
    return row is not None and bool(row["beyond"] in (1.0, -1.0))


def _size(row: pd.Series | None, aspect: Aspect) -> str:
    assert row is not None
    ends = Interval(*(float(row[key]) for key in ("estimate", "low", "high")))
    return words.interval(ends, scale=aspect.scale)


def _success(analysis: Analysis, labels: Labels) -> Finding | None:
    """Say how often each recipe fools its own classifier, compared with the reference."""
    rates, gains = of_victim(analysis.rates, OWN), of_victim(analysis.gains, OWN)
    if analysis.reference not in rates.index or not len(gains):
        return None
    row = rates.loc[analysis.reference, ["rate", "low", "high", "n"]].to_numpy(float)
    ends = Interval(*row[:3])
    text = (
        f"Success: {labels[analysis.reference]} fools "
        f"{words.interval(ends, scale=100, unit='%')} of {int(row[3])} images."
    )
    certain = gains[(gains["p_holm"] < LEVEL) & gains.index.isin(analysis.attacks)]
    parts = []
    for what, part in (
        ("less", certain[certain["gain"] < 0]),
        ("more", certain[certain["gain"] > 0]),
    ):
        if len(part):
            said = [
                f"{labels[str(r)]} ({words.number(100 * float(g), 3)} points)"
                for r, g in part["gain"].items()
            ]
            parts.append(f"{what} often: {words.several(said)}")
    text += f" Fooling {'; '.join(parts)}." if parts else " No recipe fools more or less often."
    return Finding(text, bool(parts))


def _other_flatness(analysis: Analysis, labels: Labels) -> Finding | None:
    """Say what the other measures of flatness show at equal loss."""
    others = ("worst_linf_rise", "gradient_l2", "hessian_trace", "hessian_top")
    parts = []
    tested = 0
    for measure in others:
        for recipe in analysis.attacks:
            if not _tested(analysis, recipe, measure):
                continue
            tested += 1
            row = analysis.equal(recipe, measure)
            if sure(row):
                short = measure_of(measure, ALL).short
                parts.append(f"{labels[recipe]}: {short} × {_size(row, Aspect('', '', '', ''))}")
    if not tested:
        return None
    if not parts:
        return Finding(
            f"None of {tested} comparisons of gradient norm, Hessian and worst-case rise with sign "
            "PGD at equal loss on the same images is significant.",
            False,
        )
    return Finding(
        f"Of {tested} comparisons of gradient norm, Hessian and worst-case rise with sign PGD at "
        f"equal loss on the same images, {len(parts)} are significant: {'; '.join(parts)}.",
        True,
    )


def _twins(analysis: Analysis) -> Finding | None:
    """Say whether there is any barrier between examples and their genuine twins."""
    rows = analysis.values[analysis.values["measure"] == "twin_barrier"]
    rows = rows[rows["recipe"].isin([*analysis.attacks, analysis.reference]) & (rows["n"] > 0)]
    if not len(rows):
        return None
    highest = float(rows["high"].max())
    text = (
        "The straight line to the genuine twin, at the loss of the class that the example is taken "
    )
    if highest == 0:
        return Finding(
            f"{text}for, climbs above its ends for no example of any recipe: it falls all the way "
            "from the twin, so that this barrier tells recipes apart in nothing.",
            None,
        )
    return Finding(f"{text}for, has a mean barrier of at most {highest:.2g} nats.", None)


def _curve(kind: str, curve: pd.DataFrame) -> Finding:
    """Say what the scale of the noise does: flatness at equal loss, transfer, success."""
    name = KINDS.get(kind, kind)
    span = f"{words.number(curve['scale'].min())} to {words.number(curve['scale'].max())}"
    parts = []
    certain = False
    for key, what, scale in (
        ("flat_same", "rise under noise at equal loss, times", 1.0),
        ("transfer", "transfer, points", 100.0),
        ("transfer_same", "transfer at equal loss, points", 100.0),
        ("success", "success, points", 100.0),
    ):
        if key not in curve:
            continue
        known = curve[np.isfinite(curve[key].astype(float))]
        if not len(known):
            continue
        hit = known[known[f"{key}_p"] < LEVEL]
        certain |= bool(len(hit))
        said = [
            f"{words.number(row['scale'])}: "
            + words.interval(
                Interval(*(float(row[f"{key}{end}"]) for end in ("", "_low", "_high"))),
                scale=scale,
            )
            for _, row in hit.iterrows()
        ]
        parts.append(f"{what}: {'; '.join(said) if said else 'significant at no scale'}")
    return Finding(f"{name[0].upper()}{name[1:]}, scale {span}. {'. '.join(parts)}.", certain)


def _relation(analysis: Analysis, labels: Labels) -> Finding | None:
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
            ends = Interval(*(float(row[key]) for key in ("rho", "low", "high")))
            told.append(f"over {int(row['n'])} recipes {words_} {words.interval(ends)}")
    return Finding(
        "Exploratory: rank correlation of the rise under noise with the share of other classifiers "
        f"fooled, over the examples of a recipe {'; '.join(told)}.",
        None,
        "exploratory",
    )


def _ways(analysis: Analysis, labels: Labels) -> Finding | None:
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
