"""The report of a flatness study: findings, their figure, tables, examples, method."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from attacks.crafted_shards import save_artifacts
from core.report import Report, words
from core.report.drawing import Drawing, save_drawings
from core.report.figures import FigureFiles, style
from core.report.versions import GENUINE
from landscape import figures
from landscape.columns import column
from landscape.comparison import Comparison, compare
from landscape.findings import findings
from landscape.flatness.catalogue import MEASURES, dimension_at, measures_with
from landscape.flatness.detectors import detectors
from landscape.flatness.dimension import pooled_dimension
from landscape.measures import LOSS, measure_of, title
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
from landscape.sides import twins

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.flatness.study import FlatnessStudy

LEAD = "gaussian_rise"
"""The measure that the sentence of each group speaks of, where it was measured."""
RISES = ("gaussian_rise", "worst_l2_rise", "worst_linf_rise")
AVERAGES = ("stability", "log_odds_score", "gradient_coherence")

METHOD = """
The landscape is the loss as a function of the image, per example, at a fixed label. Radii are
lengths of the step in pixel units (images lie in [0, 1]); noise and worst-case steps are not
clipped to the box, so that a radius means the same for every example. Noise comes in antithetic
pairs, the same directions at all radii; standard errors of every single estimate are in
`results.parquet`. The worst case, and the linearity gap (Qin et al. 2019), are what projected
gradient ascent found: lower bounds. The log-odds shift (Roth et al. 2019) is that of the rival
class that noise helps most; standardised, each rival's shift is counted in deviations of genuine
references predicted as the same class (of all references, where these are fewer than 10).

The certified radius is that of the classifier smoothed by the noise (Cohen et al. 2019), from the
one-sided Clopper-Pearson bound at 99.9 %. Persistence is the largest sigma, from 0.001 to 1, at
which the predicted label is kept with the probability gamma (Bell et al. 2024). The distance to
the boundary is the length of the shortest step found that changes the prediction, whatever the
true label; of minimum-norm examples it is close to 0 by construction, and so is all that follows
from lying on the boundary.

For piecewise-linear networks the input Hessian is exact. The change of the gradient is taken over
one finite step along the gradient's sign (Moosavi-Dezfooli et al. 2019), its coherence is the mean
cosine of gradients under noise with that of the image. The local intrinsic dimension is Levina and
Bickel's (2004) maximum likelihood from the nearest genuine references.

References are the images of the matching pool that the classifier gets right: no attacked image
is one, and no image is its own, nor that of what was made from it.
"""


def write(study: FlatnessStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table = run.results()
    save_artifacts(run, study, study.attacks)
    measures = measures_with(study.layers)
    comparison = compare(table, measures, study.loss, seed=study.seed)
    lead = LEAD if LEAD in study.measures else study.measures[0]
    answer, *others = findings(comparison, study.labels, lead)
    found = [answer, detectors(comparison, study.labels), *others]
    drawn = _draw(table, comparison, study, run)

    report = Report("Flatness around genuine and adversarial images", _subtitle(study, comparison))
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    report.section("What survives at equal loss")
    if "discrimination" in drawn:
        report.figure(*drawn["discrimination"])
    for name in drawn:
        if name.startswith("effects"):
            report.figure(*drawn[name])
    report.table(
        compared_table(comparison, study.labels),
        "Every comparison: the numbers of the figures. Ratios, or differences of shares and "
        "radii, as `effect` says, with 95 % intervals.",
    )
    report.section("How the loss rises")
    for name in (*RISES, "averages"):
        if name in drawn:
            report.figure(*drawn[name])
    report.section("Each example against its twin")
    for name in ("pairs", "distributions"):
        if name in drawn:
            report.figure(*drawn[name])
    report.section("Can one number tell adversarial from genuine?")
    report.table(
        detector_table(comparison, study.labels),
        "Every measure as a detector: AUC with its 95 % interval against genuine twins, against "
        "genuine images of equal loss, and against the same-class control. The loss alone is the "
        "baseline; what does not stay at equal loss adds nothing to it.",
    )
    if "log_odds_score" in study.measures:
        report.table(
            _undone(table, study),
            "Where noise leads: for how many examples the rival with the largest standardised "
            "log-odds shift is the true class, by the length of the noise. Beside it, for how many "
            "it is the class beyond the nearest point of the boundary, which takes no noise.",
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
    shown = [name for name in drawn if name.startswith(("discrimination", "effects"))]
    return compared_summary(found, comparison, study) | {
        "headline": [{"figure": name, "caption": drawn[name][1]} for name in shown[:2]]
    }


def _draw(
    table: pd.DataFrame, comparison: Comparison, study: FlatnessStudy, run: RunDirectory
) -> dict[str, tuple[FigureFiles, str]]:
    """Draw and save all figures; name -> (files, caption)."""
    groups = figures.Groups(study.labels)
    with style(), warnings.catch_warnings():
        # Groups with too few examples have no median.
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN", RuntimeWarning)
        compared = comparison.discrimination["auc"].notna().any()
        drawings = [
            *([_areas(comparison, study)] if compared else []),
            *figures.effects(comparison, groups),
            *(
                figures.rises(table, MEASURES[name], groups, seed=study.seed)
                for name in RISES
                if name in study.measures
            ),
            figures.distributions(table, comparison.measures, groups),
        ]
        if any(comparison.measures[name].logarithmic for name in study.measures):
            drawings.append(figures.pairs(table, comparison.measures, groups))
        averaged = [MEASURES[name] for name in AVERAGES if name in study.measures]
        if averaged:
            drawings.append(figures.averages(table, averaged, groups, seed=study.seed))
        return save_drawings(drawings, run.figures)


def _undone(table: pd.DataFrame, study: FlatnessStudy) -> pd.DataFrame:
    """Return for how many adversarial examples noise favours the true class most, by its length."""
    lines = []
    for group in study.attacking:
        rows = twins(table, group)[0]
        counts = {
            f"r = {radius:.3g}": words.count(
                int((rows[column("log_odds_rival", radius)] == rows["label"]).sum()), len(rows)
            )
            for radius in study.radii
        }
        if "boundary_rival" in rows:
            beyond = int((rows["boundary_rival"] == rows["label"]).sum())
            counts["beyond the nearest boundary"] = words.count(beyond, len(rows))
        lines.append({"group": study.labels[group], **counts})
    return pd.DataFrame(lines)


def _areas(comparison: Comparison, study: FlatnessStudy) -> Drawing:
    """Draw the AUC of every measure for every group, family by family."""
    rows, measures = comparison.discrimination, comparison.measures
    names = list(rows["measure"].drop_duplicates())
    titles = {
        name: "loss alone" if name == LOSS else title(name, measures, short=True) for name in names
    }
    families = {name: measure_of(name, measures).family for name in names}
    parts = {family: family for family in families.values()}
    return figures.areas(
        rows.assign(part=rows["measure"].map(families)), study.labels, titles, parts=parts,
        name="discrimination",
    )  # fmt: skip


def _subtitle(study: FlatnessStudy, comparison: Comparison) -> str:
    n = int(comparison.groups["n"].max())
    return f"{study.model} on {study.data}: {n} examples x {len(comparison.groups) + 1} groups"


def _facts(study: FlatnessStudy, table: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    named = table["hessian_method"] if "hessian_method" in table else pd.Series(dtype=str)
    return {
        **common_facts(study, table, run),
        "loss": f"{study.loss} of the {study.reference} label, in nats",
        "input Hessian": ", ".join(named.dropna().unique()) or "not measured",
        "noise": f"{study.draws} draws per example and radius ({study.gradient_draws} for "
        "gradients), l2 radii " + ", ".join(f"{r:.3g}" for r in study.radii),
        "worst case, linearity": f"{study.worst_case_steps} gradients per radius; l2 "
        + ", ".join(f"{r:.3g}" for r in study.worst_case_l2)
        + "; linf "
        + ", ".join(f"{r:.3g}" for r in study.worst_case_linf),
        "gradient change": f"over an l2 step of {study.curvature_step:.3g}",
        "persistence": f"gamma = {study.gamma:.3g}, {study.draws} draws per sigma",
        "boundary": f"{study.boundary_norm}, {study.boundary_steps} points",
        **_reference_facts(study, table),
    }


def _reference_facts(study: FlatnessStudy, table: pd.DataFrame) -> dict[str, str]:
    """Return how many references there are, and of what dimension the genuine images are."""
    if not study.compares:
        return {"references": "none: the matching pool is too small, or no measure needs them"}
    number = len(study.reference_places)
    facts = {"references": f"{number} images of the matching pool, classified correctly"}
    genuine = table[(table["group"] == GENUINE) & table["clean_correct"].astype(bool)]
    for layer in study.layers:
        local = torch.tensor(genuine[dimension_at(layer)].dropna().tolist(), dtype=torch.float64)
        pooled = float(pooled_dimension(local, study.neighbours))
        facts[f"dimension at {layer}"] = (
            f"{pooled:.3g} (genuine images, {study.neighbours} neighbours)"
        )
    return facts
