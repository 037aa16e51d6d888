"""The report of a flatness study: findings, their figure, tables, examples, method."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd

from attacks.crafted_shards import save_artifacts
from core.report import Report
from core.report.drawing import save_drawings
from core.report.figures import FigureFiles, style
from landscape import figures
from landscape.comparison import Comparison, compare
from landscape.findings import findings
from landscape.flatness.catalogue import MEASURES
from landscape.reporting import (
    AT_EQUAL_LOSS,
    add_examples,
    common_facts,
    compared_summary,
    compared_table,
    detector_table,
    groups_table,
    matching_table,
)

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.flatness.study import FlatnessStudy

LEAD = "gaussian_rise"
"""The measure that the first sentence of each group speaks of."""

METHOD = """
The landscape is the loss as a function of the image, per example, at a fixed label. Radii are
lengths of the step in pixel units (images lie in [0, 1]); noise and worst-case steps are not
clipped to the box, so that a radius means the same for every example. Noise comes in antithetic
pairs, the same directions at all radii; standard errors of every single estimate are in
`results.parquet`. The worst case is what projected gradient ascent found, a lower bound.

The certified radius is that of the classifier smoothed by the noise (Cohen et al. 2019), from the
one-sided Clopper-Pearson bound at 99.9 %. For piecewise-linear networks the input Hessian is
exact.
"""


def write(study: FlatnessStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table = run.results()
    save_artifacts(run, study, study.attacks)
    comparison = compare(table, MEASURES, study.loss, seed=study.seed)
    found = findings(comparison, study.labels, LEAD)
    drawn = _draw(table, comparison, study, run)

    report = Report("Flatness around genuine and adversarial images", _subtitle(study, comparison))
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    report.section("What survives at equal loss")
    for name in drawn:
        if name.startswith("effects"):
            report.figure(*drawn[name])
    report.table(
        compared_table(comparison, study.labels),
        "Every comparison: the numbers of the figures. Ratios, or differences of shares and "
        "radii, as `effect` says, with 95 % intervals.",
    )
    report.section("How the loss rises")
    for name in ("gaussian_rise", "worst_l2_rise", "worst_linf_rise", "sphere_rise"):
        if name in drawn:
            report.figure(*drawn[name])
    report.section("Each example against its twin")
    report.figure(*drawn["pairs"])
    report.figure(*drawn["distributions"])
    report.figure(*drawn["stability"])
    report.section("Can one number tell adversarial from genuine?")
    report.figure(*drawn["discrimination"])
    report.table(
        detector_table(comparison, study.labels),
        "Every measure as a detector: AUC with its 95 % interval against genuine twins, against "
        "genuine images of equal loss, and against the same-class control. The loss alone is the "
        "baseline; what does not stay at equal loss adds nothing to it.",
    )
    report.section("Examples")
    add_examples(report, study, run, table)
    report.section("How it was measured")
    report.facts(_facts(study, table, run))
    report.table(groups_table(comparison, study.labels), "The example groups, as verified.")
    report.table(
        matching_table(comparison, study.labels),
        "The matching: how many examples of each group found a genuine partner of equal loss, and "
        "the standardised difference of the log loss before and after.",
    )
    report.text(METHOD + AT_EQUAL_LOSS)
    report.section("Repeat it")
    report.config(study.settings(), f"python -m landscape.flatness --config {run.path}/config.yaml")
    report.write(run.report)
    return compared_summary(found, comparison, study)


def _draw(
    table: pd.DataFrame, comparison: Comparison, study: FlatnessStudy, run: RunDirectory
) -> dict[str, tuple[FigureFiles, str]]:
    """Draw and save all figures; name -> (files, caption)."""
    groups = figures.Groups(study.labels)
    with style(), warnings.catch_warnings():
        # Groups with too few examples have no median.
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN", RuntimeWarning)
        drawings = [
            *figures.effects(comparison, groups),
            *(
                figures.rises(table, MEASURES[name], groups, seed=study.seed)
                for name in ("gaussian_rise", "sphere_rise", "worst_l2_rise", "worst_linf_rise")
            ),
            figures.pairs(table, MEASURES, groups),
            figures.distributions(table, MEASURES, groups),
            figures.discrimination(comparison, groups),
            figures.stability(table, groups, seed=study.seed),
        ]
        return save_drawings(drawings, run.figures)


def _subtitle(study: FlatnessStudy, comparison: Comparison) -> str:
    n = int(comparison.groups["n"].max())
    return f"{study.model} on {study.data}: {n} examples x {len(comparison.groups) + 1} groups"


def _facts(study: FlatnessStudy, table: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    methods = table["hessian_method"].dropna().unique()
    return {
        **common_facts(study, table, run),
        "loss": f"{study.loss} of the {study.reference} label, in nats",
        "input Hessian": ", ".join(methods),
        "noise": f"{study.draws} draws per example and radius, l2 radii "
        + ", ".join(f"{r:.3g}" for r in study.radii),
        "worst case": f"{study.worst_case_steps} gradients per radius; l2 "
        + ", ".join(f"{r:.3g}" for r in study.worst_case_l2)
        + "; linf "
        + ", ".join(f"{r:.3g}" for r in study.worst_case_linf),
    }
