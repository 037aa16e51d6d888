"""The report of a study of noise in the optimisation."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.crafted_shards import save_artifacts
from core.report import Report, words
from core.report.drawing import save_drawings
from core.report.figures import FigureFiles, style
from core.report.versions import GENUINE
from landscape import figures as shared
from landscape.noise import figures
from landscape.noise.analysis import Analysis, analyse
from landscape.noise.figures.styles import Families
from landscape.noise.findings import findings
from landscape.noise.recipes import FAMILIES
from landscape.noise.tables import (
    absolute_table,
    compared_table,
    curve_table,
    equal_table,
    matched_table,
    relations_table,
    transfer_table,
)
from landscape.reporting import AT_EQUAL_LOSS, add_examples, common_facts
from landscape.reporting import compared_table as genuine_table

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.noise.study import NoiseStudy

METHOD = """
All recipes spend at most the same number of gradients on an image, have the same radius (a
minimum-norm search has none), and are judged by the classifier without noise. The default ones do
not stop at their first success. Sign PGD and other recipes with gradients of the classifier itself
keep the best of their points, which they evaluate anyway; recipes with noise in the classifier or
changed copies keep the last one, since looking at the others would cost passes beyond the budget.
What that does by itself shows *sign PGD, last point*: noisy classifiers with noise of scale 0.

Measures are those of `landscape.flatness`, of the class predicted at the example; so is the loss
that examples are matched on. *On the same images*: the examples that two recipes make of one image,
where both fool. *On the same images at equal loss*: those of them whose losses differ by no more
than a factor of 2, with a regression on what is left of the difference (HC3 standard errors). *At
equal loss, any image*: each of a recipe's examples with one of sign PGD's of the same loss, as
genuine partners are matched elsewhere; it says the same of different images and is far less exact,
since images differ by orders of magnitude.

Success counts over the images that the classifier gets right; transfer over the examples that fool
it, of images that all classifiers get right. Single shares have Wilson's intervals, differences of
shares McNemar's exact test (their mean over the other classifiers: a sign-flip test over images)
and bootstrap intervals over the images.

Paths join an example with its genuine twin, and with a genuine image of the class that it is taken
for, the same one for all recipes that turn it into that class. The loss along them is that of this
class. A path that the straight line does not connect is sought by `landscape.connectivity.bypass`.

The curves over gradients look at every point of an optimisation with the classifier without noise:
forward passes beyond the budget, made only to draw them; for that the images are crafted once more.
The plane of an example is spanned by the two leading principal directions of all recipes' points
minus the image. Recipes with other steps than sign PGD: the gradient's direction has steps of the
same l2 length; the plain gradient's learning rate makes the first step as long where the gradient
of the cross-entropy has its median length over genuine images.
"""


def write(study: NoiseStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table = run.results()
    save_artifacts(run, study, study.groups)
    followed, drawn = run.read("follow/"), run.read("planes")
    reference = str(study.reference)
    compared = sorted(study.attacks, key=lambda r: FAMILIES.index(study.families[r]))
    analysis = analyse(
        table, study.recipes, reference, compared, study.scaled, followed, seed=study.seed
    )
    labels, budget = study.labels, study.budget
    found = findings(analysis, labels, budget)
    files = _draw(study, run, analysis, followed, drawn)

    report = Report("Noise in the optimisation of adversarial examples", _subtitle(study))
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    report.section("What every recipe finds")
    report.figure(*files["against"])
    report.table(
        absolute_table(analysis, labels),
        f"Every recipe by itself ({budget}). Medians (means of the barrier) over the examples that "
        "fool, with 95 % bootstrap intervals; shares with Wilson's. Own loss: of the class "
        "predicted, 0 for a classifier that is sure.",
    )
    report.table(
        compared_table(analysis, labels),
        f"Every recipe compared with {labels[reference]} on the same images: differences, or "
        "ratios (×), with 95 % intervals. An asterisk: significant after Holm's correction over "
        "recipes and measures.",
    )
    report.table(
        equal_table(analysis, labels),
        "The same at equal loss: images on which both examples have nearly the same loss.",
    )
    if "scales" in files:
        report.section("Dose and response: the scale of the noise")
        report.figure(*files["scales"])
        report.table(curve_table(analysis), "The numbers of the curves; an asterisk as above.")
    if "losses" in files:
        report.section("The optimisations themselves")
        report.figure(*files["losses"])
        report.figure(*files["fooled"])
        report.figure(*files["turns"])
    if "planes" in files:
        report.section("The ways, in their common plane")
        report.figure(*files["planes"])
    report.section("Flatness against genuine images")
    for name in files:
        if name.startswith("effects"):
            report.figure(*files[name])
    report.table(
        genuine_table(analysis.genuine, labels),
        "Every recipe against genuine images: raw, with its genuine twin, and matched on the loss.",
    )
    report.table(
        matched_table(analysis, labels),
        f"Every recipe against {labels[reference]} at equal loss, whatever image its partners "
        "come from.",
    )
    if "relations" in files:
        report.section("Do flat examples transfer? (exploratory)")
        report.figure(*files["relations"])
        report.table(
            relations_table(analysis, labels),
            "Rank correlations of flatness with the share of other classifiers fooled.",
        )
    transfers = transfer_table(analysis, labels)
    if len(transfers.columns) > 1:
        report.section("Transfer to each classifier")
        report.table(
            transfers,
            "Share of the examples that fool their own classifier, of images that all get right, "
            "that fool another one, too.",
        )
    report.section("Examples")
    add_examples(report, study, run, table, groups=shown_groups(analysis))
    report.section("How it was measured")
    report.facts(_facts(study, table, run))
    report.text(METHOD + AT_EQUAL_LOSS)
    report.section("Repeat it")
    report.config(study.settings(), f"python -m landscape.noise --config {run.path}/config.yaml")
    report.write(run.report)
    return _summary(found, analysis, study, files)


def shown_groups(analysis: Analysis) -> list[str]:
    """Return the recipes whose pictures are shown: the first of each family."""
    firsts: dict[str, str] = {}
    for recipe, family in analysis.families.items():
        firsts.setdefault(family, recipe)
    return list(firsts.values())


def _draw(
    study: NoiseStudy,
    run: RunDirectory,
    analysis: Analysis,
    followed: pd.DataFrame,
    drawn: pd.DataFrame,
) -> dict[str, tuple[FigureFiles, str]]:
    """Draw and save all figures; name -> (files, caption)."""
    labels, budget = study.labels, study.budget
    with style(), warnings.catch_warnings():
        # Groups with too few examples have no median.
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN", RuntimeWarning)
        drawings = [
            figures.against(analysis, labels, budget),
            figures.scales(analysis, labels, budget),
            figures.planes(analysis, drawn, labels, study.names),
            figures.turns(analysis, labels),
            figures.relations(analysis, labels),
        ]
        if len(followed):
            drawings += [
                figures.losses(analysis, followed, labels),
                figures.fooled(analysis, followed, labels),
            ]
        drawings += shared.effects(analysis.genuine, Families(analysis.families, labels))
        return save_drawings([d for d in drawings if d is not None], run.figures)


def _subtitle(study: NoiseStudy) -> str:
    return (
        f"{study.model} on {study.data}: {words.counted(len(study.attacked), 'example')} x "
        f"{words.counted(len(study.attacks), 'recipe')}, {study.budget}"
    )


def _facts(study: NoiseStudy, table: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    methods = table["hessian_method"].dropna().unique()
    spent = table[table["group"].isin(study.attacks)].groupby("group")["backwards"].max()
    return {
        **common_facts(study, table, run),
        "budget": f"{study.budget}; spent at most {words.number(float(spent.max()))}, at least "
        f"{words.number(float(spent.min()))} gradients by a recipe",
        "other classifiers": words.several(study.others) if study.others else "none",
        "loss": "cross-entropy of the class predicted at each version, in nats",
        "input Hessian": ", ".join(methods),
        "noise around an example": f"{study.draws} draws, l2 radius "
        + ", ".join(f"{r:.3g}" for r in study.radii),
        "worst case": f"{study.worst_case_steps} gradients; linf "
        + ", ".join(f"{r:.3g}" for r in study.worst_case_linf),
        "paths": f"{words.counted(min(study.path_examples, len(study.attacked)), 'example')}, "
        f"looked at on {study.path_points} points; threshold 0.1 nats, 128 gradients",
        "followed": words.counted(min(study.followed_examples, len(study.attacked)), "example"),
    }


def _summary(
    found: list[Any], analysis: Analysis, study: NoiseStudy, files: dict[str, Any]
) -> dict[str, Any]:
    def rows(frame: pd.DataFrame) -> list[dict[Any, Any]]:
        return frame.replace({np.nan: None}).to_dict("records")

    headline = [name for name in ("against", "scales", "planes") if name in files]
    return {
        "findings": [
            {"text": f.text, "significant": f.significant, "verdict": f.verdict, "group": f.about}
            for f in found
        ],
        "headline": [{"figure": name, "caption": files[name][1]} for name in headline],
        "examples": len(study.attacked),
        "reference": analysis.reference,
        "labels": {recipe: study.labels[recipe] for recipe in study.groups},
        "recipes": rows(analysis.values),
        "rates": rows(analysis.rates),
        "gains": rows(analysis.gains),
        "equal_loss": rows(analysis.same),
        "equal_loss_last_point": rows(analysis.same_last),
        "against": {kind: rows(c.paired) for kind, c in analysis.against.items()},
        "matched": {kind: rows(c.discrimination) for kind, c in analysis.against.items()},
        GENUINE: rows(analysis.genuine.discrimination),
        "curves": {kind: rows(curve) for kind, curve in analysis.curves.items()},
        "ways": rows(analysis.ways),
        "relations": {
            "examples": rows(analysis.examples),
            "recipes": rows(analysis.recipes),
        },
    }
