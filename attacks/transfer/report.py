"""The report of a study of transfer: findings, figures, tables, examples, method."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.artifacts import save_crafted
from attacks.crafted_shards import CRAFT
from attacks.transfer import figures, maps, tables
from attacks.transfer.analysis import Analysis, analyse
from attacks.transfer.examples import examples
from attacks.transfer.findings import findings
from core.report import Report, words
from core.report.drawing import save_drawings
from core.report.facts import data_fact, run_facts
from core.report.figures import style
from core.studies import file_safe

if TYPE_CHECKING:
    from attacks.transfer.study import TransferStudy
    from core.studies import RunDirectory

METHOD = """
Only images that every classifier gets right are attacked, so that a fooled classifier is fooled by
the step and not by the image, and every rate is of the same images. All recipes of a comparison
have one norm and one radius, and each may spend at most so many gradients on an image; recipes that
leave their steps open take all of them. Every example is forwarded once by each classifier. It
counts as fooled where the prediction is not the label, and the example is finite, inside the box
and inside its ball (to 1e-6), which is checked from the saved pixels.

Intervals are bootstrapped over the images, each with all that was measured on it at all
classifiers; a single cell has Wilson's interval. They say what other images would do at these
classifiers, not what other classifiers would do. Gains are paired by image: McNemar's exact test
for one pair of classifiers, a sign-flip test for means, corrected by Holm's method.

Controls: noise makes a random step exactly as long as the attack's; shuffled gives each image the
step that the attack found for the next image of another class. Fooled sets are compared with
independent sets of the same sizes, and wrong classes with the same classes shuffled among images of
one true class. Alignment is the cosine of the gradients of the log-odds against the label with
respect to the genuine image. Relations are rank correlations over images, and say nothing of cause.
"""


def write(study: TransferStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table, clean = run.results(), run.read("clean/")
    labels = study.labels
    analysis = analyse(
        table,
        list(study.members),
        study.recipes,
        study.scaled,
        study.landscapes.measures,
        main=study.attacks,
        classes=len(study.all_images.class_names),
        seed=study.seed,
    )
    _save_examples(study, run)
    found = findings(analysis, labels, len(study.chosen))
    report = Report(
        "Which adversarial examples fool several classifiers",
        f"{len(study.members)} classifiers on {study.data}: "
        f"{words.counted(analysis.images, 'image')} x "
        f"{words.counted(len(study.recipes), 'recipe')}",
    )
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    if analysis.images:
        shown = {r: label for r, label in labels.items() if r in study.attacks}
        _results(report, study, run, table, analysis, shown)
    report.section("How it was measured")
    report.table(
        tables.classifiers(study, clean), "The classifiers, on all images that were tried."
    )
    if analysis.images:
        report.table(tables.recipes(study, table), tables.recipes_caption(study))
    report.facts(_facts(study, analysis, run))
    report.text(METHOD)
    report.section("Repeat it")
    report.config(study.settings(), f"python -m attacks.transfer --config {run.path}/config.yaml")
    report.write(run.report)
    return {
        "findings": [{"text": f.text, "verdict": f.verdict} for f in found],
        "tried": len(study.chosen),
        "examples": analysis.images,
        **{
            name: getattr(analysis, name).replace({np.nan: None}).to_dict("records")
            for name in ("rates", "gains", "shared", "wrong", "relations", "pairs")
        },
    }


def _results(
    report: Report,
    study: TransferStudy,
    run: RunDirectory,
    table: pd.DataFrame,
    analysis: Analysis,
    labels: Mapping[str, str],
) -> None:
    main = study.labels[analysis.main]
    drawn = _draw(table, analysis, labels, main, run)

    def show(name: str) -> None:
        if name in drawn:
            report.figure(*drawn[name])

    everything = study.labels
    report.section("How many transfer")
    show("rates")
    show("matrices")
    report.table(
        tables.rates(analysis, everything),
        "Every recipe, source and victim: how many of the images are fooled, with 95 % intervals. "
        "`others` is the mean over the victims other than the source, `all` that over all pairs.",
    )
    if "gains" in drawn:
        report.section("Which recipe transfers better")
        show("gains")
        report.table(
            tables.gains(analysis, everything),
            f"Gain in transfer over {_references(analysis, everything)}, in percentage points, "
            "image by image; for single pairs, the images that only it fools, and only the other. "
            "p: McNemar's test for single pairs, a sign-flip test for means; Holm's correction "
            "over the pairs, the sources, or (for `all`) the recipes.",
        )
    if "scales" in drawn:
        report.section("How noisy a classifier helps")
        show("scales")
        report.table(
            tables.curves(analysis), "The numbers of the figure, by kind, scale and source."
        )
    report.section("Are the same examples shared?")
    show("sharing")
    if len(analysis.shared):
        report.table(
            tables.shared(analysis.shared, everything, "source", analysis.main),
            "Pairs of victims of one source's examples: how many fool the first (`1st`), the "
            "second (`2nd`), and both; Jaccard index with what independent sets of the same sizes "
            "would have; kappa; McNemar's test of whether one is fooled more often (Holm over a "
            "recipe's rows). Where the source itself is one of the two, nearly all of its examples "
            "fool it.",
        )
        report.table(
            tables.shared(analysis.between_sources, everything, "victim", analysis.main),
            "Pairs of sources at one victim: are the images on which the first source's examples "
            "fool it those on which the second's do?",
        )
    if "wrong_classes" in drawn:
        report.section("Are they fooled into the same class?")
        show("wrong_classes")
        report.table(
            tables.wrong(analysis, everything),
            "Examples that fool both victims: how many into the same class, and how many would if "
            "wrong classes were shuffled among images of one true class (p by permutation, Holm "
            "over a recipe's rows).",
        )
    report.section("What goes with transfer")
    show("relations")
    show("alignment")
    if len(analysis.relations):
        report.table(
            tables.relations(analysis, everything),
            "Rank correlations with the share of the other victims that an image's example fools; "
            "p values corrected by Holm's method over all of them.",
        )
    if len(analysis.pairs):
        report.table(
            tables.pairs(analysis, everything),
            "Alignment of gradients: AUC, the probability that it is larger for an image that "
            "fools the victim than for one that does not; and over the pairs of classifiers the "
            "rank correlation of mean alignment with transfer, whose p is by rearranging the "
            "classifiers.",
        )
    report.section("Examples")
    examples(report, study, run, table, analysis.main)


def _references(analysis: Analysis, labels: Mapping[str, str]) -> str:
    references = analysis.gains["reference"].unique()
    return labels[references[0]] if len(references) == 1 else "the reference"


def _draw(
    table: pd.DataFrame,
    analysis: Analysis,
    labels: Mapping[str, str],
    main: str,
    run: RunDirectory,
) -> dict[str, tuple[Any, str]]:
    """Draw and save all figures; name -> (files, caption)."""
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN", RuntimeWarning)
        drawings = [
            figures.rates(analysis, labels),
            maps.matrices(analysis, labels),
            figures.gains(analysis, labels),
            figures.curves(analysis),
            maps.sharing(analysis, main),
            figures.wrong(analysis, labels),
            figures.relations(analysis, main),
            figures.alignment(analysis, table, main),
        ]
        return save_drawings([d for d in drawings if d is not None], run.figures)


def _save_examples(study: TransferStudy, run: RunDirectory) -> None:
    """Write each source's examples as files that `--adversarial` takes."""
    for source in study.members:
        made = run.read(f"{CRAFT}/{file_safe(source)}/")
        for recipe in study.recipes:
            own = made[made["recipe"] == recipe] if len(made) else made
            if len(own):
                save_crafted(
                    run.adversarial / file_safe(source),
                    own,
                    study.chosen.shape,
                    recipe,
                    seed=study.seed,
                    classifier=study.fingerprints[source],
                    data=study.all_images.fingerprint,
                )


def _facts(study: TransferStudy, analysis: Analysis, run: RunDirectory) -> dict[str, str]:
    used = f"{len(study.chosen)} tried, {analysis.images} right everywhere"
    return {
        "data": data_fact(study.data, study.all_images, used),
        "gradient budget": f"{study.gradients} per image",
        "flatness": ", ".join(study.flatness) or "not related; see --flatness",
        **run_facts(run.environment(), seed=study.seed, device=study.device, threads=study.threads),
    }
