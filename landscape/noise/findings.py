"""What a study of noise found, in sentences with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.report import Finding, words
from core.statistics import Interval
from landscape.measures import measure_of
from landscape.noise.analysis import LEAD, Analysis
from landscape.noise.claims import compared_claim, gain_claim, interval_of
from landscape.noise.further_findings import curve_finding, relation_finding, ways_finding
from landscape.noise.measures import ALL
from landscape.noise.rates import OWN, of_victim
from landscape.noise.recipes import NOISY

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Aspect:
    """What is asked of every recipe, and the words for either answer.

    Attributes:
        measure: its name.
        name: what it is about.
        unit: of the comparison with the reference.
        larger: what the examples are where it is larger.
        smaller: what they are where it is smaller.
        scale: factor for the unit.
    """

    measure: str
    name: str
    unit: str
    larger: str
    smaller: str
    scale: float = 1.0


ASPECTS = (
    Aspect(LEAD, "Flatness", "the rise of the loss under noise, times that of sign PGD",
           "sharper", "flatter"),
    Aspect("l2", "Distance", "the l2 length of the step, times that of sign PGD",
           "farther away", "nearer"),
    Aspect("transfer", "Transfer", "the share of other classifiers fooled, in points more than "
           "sign PGD", "more transferable", "less transferable", 100.0),
    Aspect("class_barrier", "Connection", "the barrier of the straight line to a genuine image of "
           "the class that it is taken for, in nats more than sign PGD", "worse connected",
           "better connected"),
)  # fmt: skip


def findings(analysis: Analysis, labels: Labels, budget: str) -> list[Finding]:
    """Return the findings, the answer first.

    Args:
        analysis: what was compared.
        labels: the names of the recipes.
        budget: what all have in common, in words.
    """
    found = [_answer(analysis, budget)]
    found += [_aspect(analysis, labels, aspect) for aspect in ASPECTS]
    found += [_selection(analysis, labels), _other_flatness(analysis, labels)]
    found += [_success(analysis, labels), _twins(analysis)]
    found += [curve_finding(kind, c) for kind, c in analysis.curves.items() if len(c)]
    found += [relation_finding(analysis), ways_finding(analysis, labels)]
    return [finding for finding in found if finding is not None]


def _tested(analysis: Analysis, recipe: str, measure: str) -> bool:
    row = analysis.equal(recipe, measure)
    return row is not None and bool(np.isfinite(row["estimate"]))


def _answer(analysis: Analysis, budget: str) -> Finding:
    """Say what noise in the optimisation does at equal loss, and what as it is."""
    noisy = analysis.of_family(*NOISY)
    if not noisy:
        return Finding(f"No recipe with noise was studied ({budget}).", None)
    at_equal_loss = _counts(analysis, noisy, equal=True)
    as_they_are = _counts(analysis, noisy, equal=False)
    if not at_equal_loss:
        return Finding(
            f"What noise in the optimisation does at equal loss ({budget}) cannot be said: no "
            "recipe with noise reaches the losses of sign PGD on enough of the same images.",
            None,
        )
    tested = [r for r in noisy if any(_tested(analysis, r, a.measure) for a in ASPECTS)]
    return Finding(
        f"Noise in the optimisation, compared with sign PGD at equal budget ({budget}). At equal "
        f"loss on the same images, of {words.counted(len(tested), 'recipe')} with noise: "
        f"{'; '.join(at_equal_loss)}. As they are, of {len(noisy)}: {'; '.join(as_they_are)} "
        "(significant after Holm's correction).",
        any(not said.startswith("none") or ", none" not in said for said in at_equal_loss),
    )


def _counts(analysis: Analysis, recipes: Sequence[str], *, equal: bool) -> list[str]:
    """Return for each aspect how many recipes are larger and smaller in it."""
    told = []
    for aspect in ASPECTS:
        tested = [r for r in recipes if not equal or _tested(analysis, r, aspect.measure)]
        signs = [_sign(analysis, r, aspect, equal=equal) for r in tested]
        if not tested or all(sign is None for sign in signs):
            continue
        counts = ((signs.count(-1), aspect.smaller), (signs.count(1), aspect.larger))
        told.append(", ".join(f"{many or 'none'} {what}" for many, what in counts))
    return told


def _sign(analysis: Analysis, recipe: str, aspect: Aspect, *, equal: bool) -> int | None:
    """Return 1 or -1 where a recipe is significantly larger or smaller, else 0; None: unknown."""
    if equal:
        return compared_claim(analysis.equal(recipe, aspect.measure))
    if aspect.measure != "transfer":
        row = analysis.raw(recipe, aspect.measure)
        return None if row is None else compared_claim(row)
    for _, gain in _rows(of_victim(analysis.gains), recipe).iterrows():
        return gain_claim(gain)
    return None


def _aspect(analysis: Analysis, labels: Labels, aspect: Aspect) -> Finding | None:
    """Say which recipes differ from the reference in one aspect, at equal loss and raw."""
    tested = [r for r in analysis.attacks if _tested(analysis, r, aspect.measure)]
    if not tested:
        return None
    parts = []
    for sign, what in ((-1, aspect.smaller), (1, aspect.larger)):
        rows = ((labels[r], analysis.equal(r, aspect.measure)) for r in tested)
        said = [
            f"{label} {_size(row, aspect.scale)}"
            for label, row in rows
            if compared_claim(row) == sign
        ]
        if said:
            parts.append(f"{what}: {words.several(said)}")
    text = f"{aspect.name} ({aspect.unit}), at equal loss on the same images. "
    if parts:
        of_these = f"{'; '.join(parts)}."
        text += of_these[0].upper() + of_these[1:]
    else:
        text += f"None of {words.counted(len(tested), 'recipe')} differs significantly."
    raw = [r for r in analysis.attacks if _sign(analysis, r, aspect, equal=False)]
    text += f" As they are, {len(raw)} of {len(analysis.attacks)} differ significantly"
    if aspect.measure != "transfer":
        kept = [r for r in raw if _beyond(analysis, r, aspect.measure)]
        text += f", {len(kept) or 'none'} of them also from sign PGD's examples of equal loss of "
        text += "whatever image"
    return Finding(f"{text}.", bool(parts))


def _selection(analysis: Analysis, labels: Labels) -> Finding | None:
    """Say what is left where sign PGD keeps its last point, too."""
    last = analysis.last
    if last is None or not _tested(analysis, last, LEAD):
        return None
    alone = _size(analysis.equal(last, LEAD))
    text = (
        "Recipes with changed copies or noisy classifiers keep their last point, sign PGD its best "
        f"one. Keeping the last alone, without noise, has {alone} times the rise under noise at "
        "equal loss on the same images."
    )
    parts = []
    for aspect in ASPECTS:
        rows = [
            (labels[recipe], row)
            for recipe in analysis.attacks
            if (row := analysis.equal(recipe, aspect.measure, last=True)) is not None
            and np.isfinite(row["estimate"])
        ]
        for sign, what in ((-1, aspect.smaller), (1, aspect.larger)):
            hits = [(label, row) for label, row in rows if compared_claim(row) == sign]
            if hits:
                said = words.several(f"{label} {_size(row, aspect.scale)}" for label, row in hits)
                parts.append(f"{what}: {said}")
    told = (
        "; ".join(parts)
        if parts
        else "no recipe differs in flatness, distance, transfer or connection"
    )
    return Finding(f"{text} Compared with sign PGD's last point, {told}.", bool(parts))


def _rows(table: pd.DataFrame, recipe: str) -> pd.DataFrame:
    """Return the rows of a recipe, by which a table is indexed."""
    return table[table.index == recipe]


def _beyond(analysis: Analysis, recipe: str, measure: str) -> bool:
    row = analysis.raw(recipe, measure)
    return row is not None and bool(row["beyond"] in (1.0, -1.0))


def _size(row: pd.Series | None, scale: float = 1.0) -> str:
    assert row is not None
    return words.interval(interval_of(row), scale=scale)


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
    tested = gains[gains.index.isin(analysis.attacks)]
    certain = tested[[gain_claim(row) != 0 for _, row in tested.iterrows()]]
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
            if compared_claim(row):
                short = measure_of(measure, ALL).short
                parts.append(f"{labels[recipe]}: {short} × {_size(row)}")
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
    text = "Connection to the genuine twin: on the straight line the loss of the class that an "
    if highest == 0:
        return Finding(
            f"{text}example is taken for climbs above its ends for no example of any recipe. It "
            "falls all the way from the twin: this barrier is 0, and tells recipes apart in "
            "nothing.",
            None,
        )
    return Finding(
        f"{text}example is taken for has a mean barrier of at most {words.number(highest, 2)} nats "
        "(the upper end of the interval of the highest recipe).",
        None,
    )
