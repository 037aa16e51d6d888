"""The report of a crafting study: findings, figures, tables, examples, method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.craft import figures
from attacks.craft.findings import findings, fooled, outcomes
from attacks.crafted_shards import crafted_shards, save_artifacts
from attacks.masking import CHECKS
from attacks.recipe_lists import is_control
from attacks.recipes import parse
from attacks.tables import images_of
from core.report import Report, words
from core.report.drawing import save_drawings
from core.report.facts import classifier_fact, data_fact, run_facts
from core.report.figures import style
from core.report.tables import intervals
from core.report.versions import GENUINE, add_versions, predicted

if TYPE_CHECKING:
    from attacks.craft.study import CraftStudy
    from core.studies import RunDirectory

SHOWN = 6
"""Examples whose pictures are in the report."""

METHOD = """
Success is counted on images that are classified correctly as they are; images that are wrong from
the start are left alone and counted as wrong. Nothing the attack says is believed: predictions are
made anew from the saved pixels, distances measured in float64, box and ball checked to 1e-6. An
example that fails is named in the results and counts as not fooled. A forward or backward pass
counts for each image that is in the batch; the clean prediction is one of them, verification is
not. The passes of a noise control include those of the recipe whose length it copies. Robust
accuracy is an upper bound: a stronger attack may find more.
"""


def write(study: CraftStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table = run.results()
    rows = outcomes(table, study.labels)
    checks = run.read("masking") if study.masking_checks else None
    found = findings(rows, checks)
    save_artifacts(run, study, study.attacks)

    report = Report(
        "Adversarial examples, crafted and verified",
        f"{study.model} on {study.data}: {words.counted(len(study.chosen), 'image')} x "
        f"{words.counted(len(rows), 'recipe')}",
    )
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    styles = figures.looks(study.labels)
    with style():
        drawn = [
            figures.success(rows, styles),
            figures.passes(table, study.labels, styles),
            figures.distances(table, study.labels, styles),
        ]
        saved = save_drawings(drawn, run.figures)
    report.section("How many are fooled")
    report.figure(*saved["success"])
    report.table(
        _spoken(rows),
        "Every recipe, as verified: success of the correctly classified images, accuracy that is "
        "left on all images, medians over the fooled, passes per correctly classified image.",
    )
    if not all(map(is_control, study.labels)):
        report.section("What it takes")
        report.figure(*saved["passes"])
    report.section("How far they are moved")
    report.figure(*saved["distances"])
    report.section("Examples")
    _examples(report, study, run, table)
    if checks is not None:
        report.section("Are gradients masked?")
        first = int(study.units()[-1].settings["stop"])
        report.text(
            f"Checks for masked gradients (Carlini et al. 2019), on the first {first} images. "
            "Each with the number it looks at."
        )
        report.facts(_spoken_checks(checks))
    report.section("How it was measured")
    report.facts(_facts(study, rows, run))
    report.text(METHOD)
    report.section("Repeat it")
    report.config(study.settings(), f"python -m attacks.craft --config {run.path}/config.yaml")
    report.write(run.report)
    return {
        "findings": [{"text": f.text, "verdict": f.verdict, "recipe": f.about} for f in found],
        "examples": len(study.chosen),
        "recipes": rows.replace({np.nan: None}).to_dict("records"),
        "masking_checks": None if checks is None else _plain_checks(checks),
    }


def _spoken(rows: pd.DataFrame) -> pd.DataFrame:
    def shares(*columns: str) -> list[str]:
        return intervals(rows, columns, scale=100, unit="%")

    return pd.DataFrame(
        {
            "recipe": rows["label"],
            "fooled": rows["fooled"],
            "of": rows["clean_correct"],
            "success": shares("success", "low", "high"),
            "accuracy left": shares("robust", "robust_low", "robust_high"),
            "median l2": rows["median_l2"],
            "median linf": rows["median_linf"],
            "forward passes": rows["forwards"],
            "backward passes": rows["backwards"],
            "invalid": rows["invalid"],
            "in full": [parse(r).full for r in rows["recipe"]],
        }
    )


def _spoken_checks(checks: pd.DataFrame) -> dict[str, str]:
    said = {True: "Holds", False: "Does not hold"}
    return {
        CHECKS[
            row["check"]
        ]: f"{'Cannot be said' if pd.isna(row['passed']) else said[row['passed']]}"
        f" ({words.number(row['number'])}). {row['explanation']}"
        for row in checks.to_dict("records")
    }


def _plain_checks(checks: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "check": row["check"],
            "passed": None if pd.isna(row["passed"]) else bool(row["passed"]),
            "number": None if np.isnan(row["number"]) else row["number"],
            "explanation": row["explanation"],
        }
        for row in checks.to_dict("records")
    ]


def _facts(study: CraftStudy, rows: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    right, total = int(rows["clean_correct"].iloc[0]), len(study.chosen)
    return {
        "data": data_fact(study.data, study.all_images, f"{total} attacked"),
        "classifier": classifier_fact(study.model, study.classifier, right, total),
        **run_facts(run.environment(), seed=study.seed, device=study.device, threads=study.threads),
    }


def _examples(report: Report, study: CraftStudy, run: RunDirectory, table: pd.DataFrame) -> None:
    """Show the images that most attacks fooled: image, versions, differences."""
    attacks = [r for r in study.attacks if not is_control(r)]
    won = table[fooled(table) & table["recipe"].isin(attacks)]
    by_id = won.groupby("id").size()
    known = [i for i in study.chosen.ids if str(i) in by_id.index]
    ids = sorted(known, key=lambda i: -int(by_id[str(i)]))[:SHOWN]
    if not ids:
        report.text("No image was fooled, so there is none to show.")
        return
    names = study.all_images.class_names
    keys = [str(i) for i in ids]
    versions: dict[str, np.ndarray] = {}
    lines: dict[str, list[str]] = {}
    for recipe, label in study.labels.items():
        rows = table[table["recipe"] == recipe].set_index("id").loc[keys]
        made = run.read(crafted_shards(recipe)).set_index("id").loc[keys].reset_index()
        versions[label] = images_of(made, study.chosen.shape).nan_to_num().numpy()
        lines[label] = predicted(rows["prediction"], rows["confidence"], names)
        lines[GENUINE] = predicted(rows["clean_prediction"], rows["clean_confidence"], names)
    add_versions(
        report,
        study.chosen.select(ids),
        versions,
        lines,
        "Images that the most attacks fooled",
        visible=0.99,
    )
