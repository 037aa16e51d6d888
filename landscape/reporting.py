"""What the reports of studies of example groups share: tables, examples, facts, method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.crafted_shards import crafted_shards
from attacks.tables import images_of
from core.report import Finding, Report, words
from core.report.facts import classifier_fact, data_fact, run_facts
from core.report.tables import intervals
from core.report.versions import GENUINE, add_versions, predicted
from core.statistics import clopper_pearson
from landscape.comparison import Comparison
from landscape.measures import LOSS, measure_of, title
from landscape.sides import SUCCESS

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.groups import GroupStudy

SHOWN = 6
"""Examples whose pictures are in the report."""

AT_EQUAL_LOSS = """
Pairs are compared by Wilcoxon's signed-rank test; the effect is the geometric mean of the ratios,
the ratio of medians where some value is not positive, or the mean difference where a genuine
median cannot be told from 0, with a bootstrap interval. The matched
comparison gives every adversarial example a genuine image, correctly classified, whose loss at
the centre is the same within a caliper, without replacement. The caliper shrinks until the loss
itself no longer tells the two groups apart. The same-class control gives it a genuine image of the
class that it is taken for, which shortest gradient steps, up or down, bring to its very loss.
Partners and controls are alike in their loss (and class) only, so they are compared as independent
groups, by the Mann-Whitney test and the same effect. AUC
intervals are DeLong's, with the dependence of paired examples accounted for. p values are
corrected by Holm's method over all groups and measures, separately for the raw, the matched and the
controlled comparisons. A difference is called one at equal loss when its AUC interval excludes .5
and its corrected p is below .05, in both comparisons at equal loss where both could be made.
"""


def compared_table(comparison: Comparison, labels: dict[str, str]) -> pd.DataFrame:
    """Return one row per group and measure: raw effect, those at equal loss, AUCs, verdicts."""
    rows = comparison.discrimination.merge(
        comparison.paired.drop(columns="n"), on=["group", "measure"], how="inner"
    )
    columns: dict[str, Any] = {
        "group": rows["group"].map(labels),
        "measure": [title(m, comparison.measures, short=True) for m in rows["measure"]],
        "raw": intervals(rows, ("estimate", "low", "high")),
        "matched": intervals(
            rows, ("matched_estimate", "matched_effect_low", "matched_effect_high")
        ),
        "at equal loss": rows["verdict"],
    }
    control = rows["control_auc"].notna().any()
    if control:
        columns |= {
            "control": intervals(
                rows, ("control_estimate", "control_effect_low", "control_effect_high")
            ),
            "against control": rows["control_verdict"],
        }
    columns |= {
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
    if control:
        columns |= {
            "controls": rows["control_n"],
            "control p (Holm)": rows["control_p_holm"].map(words.p_value),
            "control AUC": intervals(rows, ("control_auc", "control_low", "control_high")),
        }
    return pd.DataFrame(columns)


def detector_table(comparison: Comparison, labels: dict[str, str]) -> pd.DataFrame:
    """Return one row per group and measure: its AUC beside that of the loss alone.

    The loss is the trivial detector: what vanishes at equal loss adds nothing to it.
    """
    rows = comparison.discrimination
    alone = rows[rows["measure"] == LOSS].set_index("group")["auc"]
    columns: dict[str, Any] = {
        "group": rows["group"].map(labels),
        "measure": [title(m, comparison.measures, short=True) for m in rows["measure"]],
        "AUC of the loss alone": rows["group"].map(alone).map(lambda area: words.number(area, 2)),
        "AUC": intervals(rows, ("auc", "auc_low", "auc_high")),
        "matched AUC": intervals(rows, ("matched_auc", "matched_low", "matched_high")),
    }
    if rows["control_auc"].notna().any():
        columns["AUC against control"] = intervals(
            rows, ("control_auc", "control_low", "control_high")
        )
    said = {1.0: "larger", -1.0: "smaller", 0.0: "no"}
    columns["beyond the loss"] = [
        "baseline" if v == "baseline" else said.get(b, "n/a")
        for v, b in zip(rows["verdict"], rows["beyond"], strict=True)
    ]
    return pd.DataFrame(columns)


def groups_table(comparison: Comparison, labels: dict[str, str]) -> pd.DataFrame:
    """Return one row per group, as verified."""
    described = comparison.groups
    return described.assign(group=described["group"].map(labels), recipe=described["group"])


def matching_table(comparison: Comparison, labels: dict[str, str]) -> pd.DataFrame:
    """Return one row per group: how many could be matched, and how alike the losses are."""
    return comparison.matching.assign(group=comparison.matching["group"].map(labels))


def common_facts(study: GroupStudy, table: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    """Return the facts about data, classifier and run; between them a study sets its own."""
    genuine = table[table["group"] == GENUINE]
    right, total = int(genuine["clean_correct"].sum()), len(genuine)
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
        **run_facts(run.environment(), seed=study.seed, device=study.device, threads=study.threads),
    }


def add_examples(
    report: Report,
    study: GroupStudy,
    run: RunDirectory,
    table: pd.DataFrame,
    groups: Sequence[str] | None = None,
) -> None:
    """Show the first examples that every attack fooled: image, versions, differences.

    Args:
        report: to be added to.
        study: whose groups these are.
        run: with the crafted examples.
        table: of measures.
        groups: those that are shown, and whose attacks count; None: all.
    """
    shown = study.groups if groups is None else groups
    attacks = [group for group in study.attacking if group in shown]
    rows = table[table["group"].isin(attacks) & (table["status"] == SUCCESS)]
    everywhere = rows.groupby("id").size()
    ids = [i for i in study.attacked.ids if everywhere.get(str(i), 0) == len(attacks)][:SHOWN]
    if not ids:
        report.text("No example was fooled by every attack, so there is none to compare.")
        return
    by_id = table[~table["pool"]].set_index(["group", "id"])
    keys = [str(i) for i in ids]

    def captions(group: str) -> list[str]:
        rows = by_id.loc[[(group, key) for key in keys]]
        names = study.all_images.class_names
        return predicted(rows["prediction"], rows["confidence"], names)

    versions: dict[str, np.ndarray] = {}
    lines = {GENUINE: captions(GENUINE)}
    for group in shown:
        kept = run.read(crafted_shards(group)).set_index("id").loc[keys].reset_index()
        versions[study.labels[group]] = images_of(kept, study.chosen.shape).numpy()
        lines[study.labels[group]] = captions(group)
    add_versions(
        report,
        study.attacked.select(ids),
        versions,
        lines,
        "The first examples that every attack fooled"
        if groups is None
        else "The first examples that every attack shown fooled",
    )


def compared_summary(
    found: Sequence[Finding], comparison: Comparison, study: GroupStudy
) -> dict[str, Any]:
    """Return findings and comparisons as summary.json has them."""

    def rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
        return table.replace({np.nan: None}).to_dict("records")

    described, compared = comparison.groups, comparison.discrimination
    titles = [title(m, comparison.measures, short=True) for m in compared["measure"]]
    spoken = [measure_of(m, comparison.measures) for m in compared["measure"]]
    return {
        "findings": [
            {"text": f.text, "significant": f.significant, "verdict": f.verdict, "group": f.about}
            for f in found
        ],
        "examples": len(study.attacked),
        "groups": rows(described.assign(label=described["group"].map(study.labels))),
        "paired": rows(comparison.paired),
        "discrimination": rows(
            compared.assign(
                label=compared["group"].map(study.labels),
                title=titles,
                spoken=[measure.title for measure in spoken],
                detector=[measure.detector for measure in spoken],
            )
        ),
        "matching": rows(comparison.matching),
    }
