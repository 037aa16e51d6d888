"""The report of a curvature study: findings, their figures, tables, examples, method."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.crafted_shards import save_artifacts
from core.report import Finding, Report, words
from core.report.drawing import Drawing, save_drawings
from core.report.figures import FigureFiles, style
from core.report.versions import GENUINE
from core.statistics import Interval, bootstrap
from landscape import figures
from landscape.columns import column, curves
from landscape.comparison import Comparison, compare
from landscape.curvature import drawing
from landscape.curvature.across import across, across_table
from landscape.curvature.catalogue import MEASURES
from landscape.curvature.pictured import pictured
from landscape.figures.groups import Groups, counted
from landscape.findings import findings
from landscape.measures import measure_of
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
    from landscape.curvature.study import CurvatureStudy

LEAD = "hessian_top"
"""The measure that the first sentence of each group speaks of."""

WAYS = {
    "relative_top": "top eigenvector",
    "relative_gradient": "along the gradient",
    "relative_twin": "towards the twin",
    "relative_predicted_mean": "to the predicted class's mean",
    "relative_true_mean": "to the true class's mean",
}
"""Directions whose curvature is drawn; the first is the largest there is."""

METHOD = """
The landscape is the cross-entropy of the predicted label as a function of the image, and its
curvature is that of the input Hessian `H`, in nats per squared input unit. For a piecewise-linear
network `H` is exactly `J' (diag p - p p') J`, with `J` the Jacobian of the logits: at most as many
eigenvalues as classes, less one, are not 0, and none is negative. The same formula is the
Gauss-Newton part of a smooth network's Hessian; `lanczos` takes the whole of it, from products.
`method` says which.

The effective rank is the squared sum of the eigenvalues' magnitudes over the sum of their squares:
as many equal eigenvalues would give it. Curvature along a direction `v` is `v' H v / |v|^2`, given
as a multiple of the average over all directions (the sum of the eigenvalues' magnitudes over the
number of pixels). The twin of a genuine image is what the first attack made of it; that of any
other image, the genuine one it came from: that a group bends otherwise towards its twin says how
the group was made. Class means are those of the genuine images of the study, without the example's
own.

The nearest boundary point is that of a minimum-norm search inside [0, 1], put onto the boundary of
two classes by bisection: its distance is an upper bound. There, with `F` the lead of the own class
over the other, the boundary's curvature at a scale `r` is `(F(x + r v) + F(x - r v) - 2 F(x)) /
(r^2 |grad F|)`, averaged over random tangent directions `v`, in 1 / input unit. Negative: it bends
round the own side, which is convex there; positive: round the other side. A piecewise-linear
network's boundary is flat between its kinks, so that only finite scales show how it bends.
"""


def write(study: CurvatureStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table = run.results()
    save_artifacts(run, study, study.attacks)
    comparison = compare(table, MEASURES, study.loss, seed=study.seed)
    groups = figures.Groups(study.labels)
    found = findings(comparison, study.labels, LEAD)
    found[1:1] = _described(table, study)
    rows = comparison.discrimination
    detecting = [measure_of(name, MEASURES).detector for name in rows["measure"]]
    known = replace(comparison, discrimination=rows[detecting])
    drawn = _draw(table, comparison, known, groups, study, run)

    radius = study.boundary_radii[len(study.boundary_radii) // 2]
    sides = pd.DataFrame()
    if study.boundary_steps:
        sides = across(table, [GENUINE, *groups.names], radius, study.seed)

    report = Report("Curvature around genuine and adversarial images", _subtitle(study, table))
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    report.section("What survives at equal loss")
    for name in [name for name in drawn if name.startswith("effects")]:
        report.figure(*drawn[name])
    report.table(
        compared_table(comparison, study.labels),
        "Every comparison: the numbers of the figures. Ratios, or differences, as `effect` says, "
        "with 95 % intervals.",
    )
    report.section("How much the loss bends, and in how many directions")
    _add(report, drawn, "spectra", "densities")
    report.section("Which directions these are")
    _add(report, drawn, "eigenvectors", "ways")
    if "boundary" in drawn:
        report.section("The decision boundary")
        _add(report, drawn, "boundary")
        report.table(
            across_table(sides, study.labels),
            "The class across the nearest boundary: how often it is the true class, and the median "
            f"mean curvature, in 1 / input unit at scale {radius:.3g}, by that class, with 95 % "
            "intervals. For a genuine image that is classified correctly it is always another.",
        )
    report.section("Can one number tell adversarial from genuine?")
    report.figure(*drawn["discrimination"])
    report.table(
        detector_table(known, study.labels),
        "Every measure as a detector: AUC with its 95 % interval against genuine twins, against "
        "genuine images of equal loss, and against the same-class control. The loss alone is the "
        "baseline; what does not stay at equal loss adds nothing to it. Left out is what takes the "
        "genuine image, or its label, to measure.",
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
    report.config(
        study.settings(), f"python -m landscape.curvature --config {run.path}/config.yaml"
    )
    report.write(run.report)
    return compared_summary(found, comparison, study) | {
        "headline": _headline(drawn),
        "across": sides.replace({np.nan: None}).to_dict("records"),
    }


def _add(report: Report, drawn: dict[str, tuple[FigureFiles, str]], *names: str) -> None:
    for name in names:
        if name in drawn:
            report.figure(*drawn[name])


def _headline(drawn: dict[str, tuple[FigureFiles, str]]) -> list[dict[str, str]]:
    """Return the figures that show the answer, best first."""
    chosen = [n for n in ("boundary", "spectra", "eigenvectors") if n in drawn]
    return [{"figure": name, "caption": drawn[name][1]} for name in chosen]


def _draw(
    table: pd.DataFrame,
    comparison: Comparison,
    known: Comparison,
    groups: Groups,
    study: CurvatureStudy,
    run: RunDirectory,
) -> dict[str, tuple[FigureFiles, str]]:
    """Draw and save all figures; name -> (files, caption)."""
    with style(), warnings.catch_warnings():
        # Groups with too few examples have no median.
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN", RuntimeWarning)
        drawings = [
            *figures.effects(comparison, groups),
            drawing.spectra(table, groups, seed=study.seed),
            _ways(table, groups, study),
            figures.discrimination(known, groups),
        ]  # fmt: skip
        if "density@0" in table:
            drawings.append(drawing.densities(table, groups, seed=study.seed))
        if study.boundary_steps:
            drawings.append(_boundary(table, groups, study))
        examples, names = pictured(study, run, table)
        if examples:
            drawings.append(drawing.eigenvectors(examples, names))
        return save_drawings(drawings, run.figures)


def _ways(table: pd.DataFrame, groups: Groups, study: CurvatureStudy) -> Drawing:
    """Draw the curvature along directions, on one axis for all of them."""
    values = table[list(WAYS)].to_numpy(float)
    seen = values[np.isfinite(values) & (values > 0)]
    low, high = np.quantile(seen, [0.005, 1]) if len(seen) else (0.1, 10.0)
    unit = "times the average over all directions"
    panels = [
        drawing.Strip(name, title, unit, reference=1.0, limits=(float(low) / 1.5, float(high) * 2))
        for name, title in WAYS.items()
    ]
    caption = (
        "In which directions the loss bends: the curvature along a direction as a multiple of its "
        "average over all directions (the line at 1). The first panel is the most there is. Twin: "
        "what the first attack made of a genuine image; the genuine image of any other."
    )
    return drawing.strips("ways", table, panels, groups, caption=caption, seed=study.seed)


def _boundary(table: pd.DataFrame, groups: Groups, study: CurvatureStudy) -> Drawing:
    """Draw how far the boundary is, and which way it bends there."""
    bend = "1 / input unit; below 0: the own side is convex"
    panels = [
        drawing.Strip("boundary_distance", "distance to the boundary", "input units (l2)"),
        *(
            drawing.Strip(
                column("boundary_bend", r), f"its curvature at scale {r:.3g}", bend,
                logarithmic=False, reference=0.0,
            )
            for r in study.boundary_radii
        ),
    ]  # fmt: skip
    caption = (
        "The decision boundary at its nearest point: how far it is from the image, and its mean "
        "curvature over random tangent directions. A curvature k means that it leaves its tangent "
        "plane like a circle of radius 1/k; below 0 it bends round the side of the image, as the "
        "inside of a ball does, above 0 round the other side, which then sticks out towards the "
        "image. Seen from across, a boundary has the opposite sign."
    )
    return drawing.strips("boundary", table, panels, groups, caption=caption, seed=study.seed)


def _described(table: pd.DataFrame, study: CurvatureStudy) -> list[Finding]:
    """Say where the loss bends around genuine images, and which way their boundary does."""
    rows = counted(table, GENUINE)
    if len(rows) < 2:
        return []

    def median(name: str) -> str:
        values = rows[name].to_numpy(float)
        values = values[np.isfinite(values)]
        if len(values) < 2:
            return "n/a"
        found: Interval = bootstrap(
            values, np.median, seed=study.seed, method="percentile", resamples=1000
        )
        return words.interval(found)

    text = (
        f"Around genuine images the loss bends in few directions: the top eigenvalue makes "
        f"{median('top_share')} of the whole, the effective rank is {median('effective_rank')} of "
        f"{int(np.prod(study.all_images.shape))} (medians over {len(rows)} images). Along the "
        f"gradient the curvature is {median('relative_gradient')} times that of an average "
        f"direction, towards the adversarial twin {median('relative_twin')} times, towards the "
        f"mean of the own class {median('relative_predicted_mean')} times."
    )
    found = [Finding(text)]
    if "negative_share" in rows:
        found.append(
            Finding(
                f"Negative curvature makes {median('negative_share')} of the whole around them."
            )
        )
    if study.boundary_steps:
        bends = "; ".join(
            f"{median(column('boundary_bend', r))} at scale {r:.3g}" for r in study.boundary_radii
        )
        found.append(
            Finding(
                f"The decision boundary is {median('boundary_distance')} away from them (l2). "
                f"There it bends, on average over tangent directions, by {bends} (1 / input unit; "
                "below 0: round the side of the image, above 0: round the other side)."
            )
        )
    return found


def _subtitle(study: CurvatureStudy, table: pd.DataFrame) -> str:
    method = ", ".join(table["hessian_method"].dropna().unique())
    groups = table["group"].nunique()
    n = len(study.attacked)
    return f"{study.model} on {study.data}: {n} examples x {groups} groups; Hessian: {method}"


def _facts(study: CurvatureStudy, table: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    facts = {
        **common_facts(study, table, run),
        "loss": "cross-entropy of the predicted label, in nats",
        "input Hessian": ", ".join(table["hessian_method"].dropna().unique())
        + f"; {curves(table, 'eigenvalue')[1].shape[1]} eigenvalues kept, {study.probes} probes",
    }
    if study.boundary_steps:
        facts["boundary"] = (
            f"minimum-norm search of {study.boundary_steps} steps; curvature at scales "
            + ", ".join(f"{r:.3g}" for r in study.boundary_radii)
            + f" over {study.draws} random tangent directions"
        )
    return facts
