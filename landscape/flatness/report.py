"""The report of a flatness study: findings, their figure, tables, examples, method."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks import label, parse
from attacks.crafted_shards import crafted_shards, save_artifacts
from attacks.recipe_lists import is_control, without_twins
from attacks.tables import images_of
from core.report import Finding, Report, words
from core.report.drawing import save_drawings
from core.report.facts import classifier_fact, data_fact, run_facts
from core.report.figures import FigureFiles, style
from core.report.tables import intervals
from core.report.versions import GENUINE, add_versions, predicted
from core.statistics import clopper_pearson
from landscape.flatness import figures
from landscape.flatness.comparison import SUCCESS, Comparison, compare
from landscape.flatness.findings import findings
from landscape.flatness.measures import MEASURES, title

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.flatness.study import FlatnessStudy

SHOWN = 6
"""Examples whose pictures are in the report."""


def write(study: FlatnessStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table = run.results()
    labels = group_labels(study)
    save_artifacts(run, study, study.attacks)
    comparison = compare(table, study.loss, seed=study.seed)
    found = findings(comparison, labels)
    drawn = _draw(table, comparison, labels, study, run)

    report = Report("Flatness around genuine and adversarial images", _subtitle(study, comparison))
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    report.section("What survives matching on the loss")
    report.figure(*drawn["effects"])
    report.table(
        _effects_table(comparison, labels),
        "Every comparison: the numbers of the figure. Ratios, or differences of shares and "
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
    report.section("Examples")
    _examples(report, study, run, table, labels)
    report.section("How it was measured")
    report.facts(_facts(study, table, run))
    report.table(_groups_table(comparison, labels), "The example groups, as verified.")
    report.table(
        comparison.matching.assign(group=comparison.matching["group"].map(labels)),
        "The matching: how many examples of each group found a genuine partner of equal loss, and "
        "the standardised difference of the log loss before and after.",
    )
    report.text(METHOD)
    report.section("Repeat it")
    report.config(study.settings(), f"python -m landscape.flatness --config {run.path}/config.yaml")
    report.write(run.report)
    return _summary(found, comparison, labels, study)


METHOD = """
The landscape is the loss as a function of the image, per example, at a fixed label. Radii are
lengths of the step in pixel units (images lie in [0, 1]); noise and worst-case steps are not
clipped to the box, so that a radius means the same for every example. Noise comes in antithetic
pairs, the same directions at all radii; standard errors of every single estimate are in
`results.parquet`. The worst case is what projected gradient ascent found, a lower bound.

Pairs are compared by Wilcoxon's signed-rank test; the effect is the geometric mean of the ratios,
the ratio of medians where some value is not positive, or the mean difference where a genuine
median cannot be told from 0, with a bootstrap interval. The matched
comparison gives every adversarial example a genuine image, correctly classified, whose loss at
the centre is the same within a caliper, without replacement. The caliper shrinks until the loss
itself no longer tells the two groups apart. Partners are alike in their loss only, so the two
matched groups are compared as independent ones, by the Mann-Whitney test and the same effect. AUC
intervals are DeLong's, with the dependence of paired examples accounted for. p values are
corrected by Holm's method over all groups and measures, separately for the raw and the matched
comparisons. A difference is called one at equal loss when its AUC interval excludes .5 and its
corrected p is below .05.

The certified radius is that of the classifier smoothed by the noise (Cohen et al. 2019), from the
one-sided Clopper-Pearson bound at 99.9 %. For piecewise-linear networks the input Hessian is
exact.
"""


def group_labels(study: FlatnessStudy) -> dict[str, str]:
    """Return the short name of every group but genuine, unique, in the order of the report."""
    made = {group: label(parse(group)) for group in study.attacks}
    return without_twins({**made, **{group: a.label for group, a in study.artifacts.items()}})


def _draw(
    table: pd.DataFrame,
    comparison: Comparison,
    labels: Mapping[str, str],
    study: FlatnessStudy,
    run: RunDirectory,
) -> dict[str, tuple[FigureFiles, str]]:
    """Draw and save all figures; name -> (files, caption)."""
    groups = figures.Groups(labels)
    with style(), warnings.catch_warnings():
        # Groups with too few examples have no median.
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN", RuntimeWarning)
        drawings = [
            figures.effects(comparison, groups),
            *(
                figures.rises(table, MEASURES[name], groups, seed=study.seed)
                for name in ("gaussian_rise", "sphere_rise", "worst_l2_rise", "worst_linf_rise")
            ),
            figures.pairs(table, groups),
            figures.distributions(table, groups),
            figures.discrimination(comparison, groups),
            figures.stability(table, groups, seed=study.seed),
        ]
        return save_drawings(drawings, run.figures)


def _subtitle(study: FlatnessStudy, comparison: Comparison) -> str:
    n = int(comparison.groups["n"].max())
    return f"{study.model} on {study.data}: {n} examples x {len(comparison.groups) + 1} groups"


def _effects_table(comparison: Comparison, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per group and measure: raw effect, matched effect, both AUCs, verdict."""
    rows = comparison.discrimination.merge(comparison.paired.drop(columns="n"),
                                           on=["group", "measure"], how="inner")  # fmt: skip
    return pd.DataFrame(
        {
            "group": rows["group"].map(labels),
            "measure": [title(m, short=True) for m in rows["measure"]],
            "raw": intervals(rows, ("estimate", "low", "high")),
            "matched": intervals(
                rows, ("matched_estimate", "matched_effect_low", "matched_effect_high")
            ),
            "at equal loss": rows["verdict"],
            "effect": rows["effect"],
            "larger in": [
                words.count(int(k), int(n)) if np.isfinite(k) else "n/a"
                for k, n in zip(rows["n_larger"], rows["n"], strict=True)
            ],
            "p (Holm)": rows["p_holm"].map(words.p_value),
            "AUC": intervals(rows, ("auc", "auc_low", "auc_high")),
            "matched pairs": rows["matched_n"],
            "matched p (Holm)": rows["matched_p_holm"].map(words.p_value),
            "matched AUC": intervals(rows, ("matched_auc", "matched_low", "matched_high")),
        }
    )


def _groups_table(comparison: Comparison, labels: Mapping[str, str]) -> pd.DataFrame:
    described = comparison.groups
    return described.assign(group=described["group"].map(labels), recipe=described["group"])


def _facts(study: FlatnessStudy, table: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    genuine = table[table["group"] == GENUINE]
    right, total = int(genuine["clean_correct"].sum()), len(genuine)
    methods = table["hessian_method"].dropna().unique()
    partners = len(study.chosen) - len(study.attacked)
    return {
        "data": data_fact(
            study.data,
            study.all_images,
            f"{len(study.attacked)} studied, {partners} more as matching partners",
        ),
        "classifier": classifier_fact(
            study.model, study.classifier, right, total, clopper_pearson(right, total)
        ),
        "loss": f"{study.loss} of the {study.reference} label, in nats",
        "input Hessian": ", ".join(methods),
        "noise": f"{study.draws} draws per example and radius, l2 radii "
        + ", ".join(f"{r:.3g}" for r in study.radii),
        "worst case": f"{study.worst_case_steps} gradients per radius; l2 "
        + ", ".join(f"{r:.3g}" for r in study.worst_case_l2)
        + "; linf "
        + ", ".join(f"{r:.3g}" for r in study.worst_case_linf),
        **run_facts(run.environment(), seed=study.seed, device=study.device, threads=study.threads),
    }


def _examples(
    report: Report,
    study: FlatnessStudy,
    run: RunDirectory,
    table: pd.DataFrame,
    labels: Mapping[str, str],
) -> None:
    """Show the first examples that every attack fooled: image, versions, differences."""
    attacks = [g for g in study.groups if not is_control(g)]
    rows = table[table["group"].isin(attacks) & (table["status"] == SUCCESS)]
    everywhere = rows.groupby("id").size()
    ids = [i for i in study.attacked.ids if everywhere.get(str(i), 0) == len(attacks)][:SHOWN]
    if not ids:
        report.text("No example was fooled by every attack, so there is none to compare.")
        return
    names = study.all_images.class_names
    by_id = table[~table["pool"]].set_index(["group", "id"])
    keys = [str(i) for i in ids]

    def captions(group: str) -> list[str]:
        rows = by_id.loc[[(group, key) for key in keys]]
        return predicted(rows["prediction"], rows["confidence"], names)

    versions: dict[str, np.ndarray] = {}
    lines = {GENUINE: captions(GENUINE)}
    for group in study.groups:
        kept = run.read(crafted_shards(group)).set_index("id").loc[keys].reset_index()
        versions[labels[group]] = images_of(kept, study.chosen.shape).numpy()
        lines[labels[group]] = captions(group)
    add_versions(
        report,
        study.attacked.select(ids),
        versions,
        lines,
        "The first examples that every attack fooled",
    )


def _summary(
    found: list[Finding], comparison: Comparison, labels: Mapping[str, str], study: FlatnessStudy
) -> dict[str, Any]:
    def rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
        return table.replace({np.nan: None}).to_dict("records")

    return {
        "findings": [
            {"text": f.text, "significant": f.significant, "group": f.about} for f in found
        ],
        "examples": len(study.attacked),
        "groups": rows(comparison.groups.assign(label=comparison.groups["group"].map(labels))),
        "paired": rows(comparison.paired),
        "discrimination": rows(comparison.discrimination),
        "matching": rows(comparison.matching),
    }
