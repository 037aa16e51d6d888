"""The report of a crafting study: findings, figures, tables, examples, method."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.artifacts import save_crafted
from attacks.craft import figures
from attacks.craft.findings import findings, fooled, is_control, outcomes
from attacks.masking import CHECKS
from attacks.recipes import parse
from attacks.tables import images_of
from core.models import fingerprint
from core.report import Report, words
from core.report.figures import save_figure, style
from core.statistics import Interval
from core.studies import file_safe

if TYPE_CHECKING:
    from attacks.craft.study import CraftStudy
    from core.studies import RunDirectory

SHOWN = 6
"""Examples whose pictures are in the report."""

GENUINE = "genuine"

METHOD = """
Success is counted on images that are classified correctly as they are; images that are wrong from
the start are left alone and counted as wrong. Nothing the attack says is believed: predictions are
made anew from the saved pixels, distances measured in float64, box and ball checked to 1e-6. An
example that fails is named in the results and counts as not fooled. A forward or backward pass
counts for each image that is in the batch; the clean prediction is one of them, verification is
not. The passes of a noise control include those of the recipe whose length it copies. Robust
accuracy is an upper bound: a stronger attack may find more.
"""

MASKING_METHOD = """
Only white-box attacks on this classifier are compared; whether another classifier's examples fool
it more often than its own is a question for a study of transfer.
"""


def write(study: CraftStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table = run.results()
    rows = outcomes(table, study.labels)
    checks = run.read("masking") if study.masking_checks else None
    found = findings(rows, checks)
    for recipe in study.attacks:
        save_crafted(
            run.adversarial,
            run.read(_shards(recipe)),
            study.chosen.shape,
            recipe,
            seed=study.seed,
            classifier=fingerprint(study.classifier),
            data=study.all_images.fingerprint,
        )

    report = Report(
        "Adversarial examples, crafted and verified",
        f"{study.model} on {study.data}: {len(study.chosen)} images x {len(rows)} recipes",
    )
    for finding in found:
        report.finding(finding.text, finding.good, finding.verdict)
    styles = figures.looks(study.labels)
    with style():
        drawn = [
            figures.success(rows, styles),
            figures.passes(table, study.labels, styles),
            figures.distances(table, study.labels, styles),
        ]
        saved = {
            d.name: (save_figure(d.figure, run.figures, d.name, data=d.data), d.caption)
            for d in drawn
        }
    report.section("How many are fooled")
    report.figure(*saved["success"])
    report.table(
        _spoken(rows),
        "Every recipe, as verified: success of the correctly classified images, accuracy that is "
        "left on all images, medians over the fooled, passes per correctly classified image.",
    )
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
        report.text(MASKING_METHOD)
    report.section("How it was measured")
    report.facts(_facts(study, rows, run))
    report.text(METHOD)
    report.section("Repeat it")
    report.config(study.settings(), f"python -m attacks.craft --config {run.path}/config.yaml")
    report.write(run.report)
    return {
        "findings": [{"text": f.text, "verdict": f.verdict, "recipe": f.recipe} for f in found],
        "examples": len(study.chosen),
        "recipes": rows.replace({np.nan: None}).to_dict("records"),
        "masking_checks": None if checks is None else _plain_checks(checks),
    }


def _shards(recipe: str) -> str:
    return f"craft/{file_safe(recipe)}/"


def _spoken(rows: pd.DataFrame) -> pd.DataFrame:
    def shares(estimate: str, low: str, high: str) -> list[str]:
        ends = rows[[estimate, low, high]].to_numpy(float)
        return [
            words.interval(Interval(*line), scale=100, unit="%")
            if np.isfinite(line).all()
            else "n/a"
            for line in ends
        ]

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
    images, made = study.all_images, run.environment()
    begun = datetime.fromisoformat(made["started"])
    took = (datetime.now(begun.tzinfo) - begun).total_seconds()
    return {
        "data": f"{study.data}, split {images.split}: {len(images)} images of shape "
        f"{images.shape}, {len(images.class_names)} classes; {len(study.chosen)} attacked",
        "classifier": f"{study.model}, weights {fingerprint(study.classifier)[:12]}; right on "
        f"{words.count(int(rows['clean_correct'].iloc[0]), len(study.chosen))} of the images used",
        "seed": str(study.seed),
        "time": f"{words.duration(took)} from the first start, pauses included; begun "
        f"{begun:%Y-%m-%d %H:%M %Z}",
        "versions": ", ".join(f"{k} {v}" for k, v in made["versions"].items()),
        "device": f"{study.device}, {study.threads} thread(s) per process",
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
    chosen = study.chosen.select(ids)
    keys = [str(i) for i in ids]
    columns: dict[str, np.ndarray] = {GENUINE: chosen.tensors()[0].numpy()}
    lines: dict[str, list[str]] = {}
    for recipe, label in study.labels.items():
        rows = table[table["recipe"] == recipe].set_index("id").loc[keys]
        made = run.read(_shards(recipe)).set_index("id").loc[keys].reset_index()
        columns[label] = images_of(made, study.chosen.shape).nan_to_num().numpy()
        lines[label] = _captions(rows["prediction"], rows["confidence"], names)
        lines[GENUINE] = _captions(rows["clean_prediction"], rows["clean_confidence"], names)
    # Ten times, as long as all but a hundredth of what is changed stays within the grey scale.
    changes = np.abs(np.stack([columns[label] for label in study.labels.values()])
                     - columns[GENUINE])  # fmt: skip
    large = np.quantile([0.05, *changes[changes > 0.05]], 0.99)
    gain = float(f"{0.5 / large:.1g}")
    report.examples(
        columns,
        "Images that the most attacks fooled: the genuine image, its versions, and what was "
        f"changed, {gain:g} times enlarged (grey: nothing). Below each the prediction and its "
        "confidence.",
        gain=gain,
        captions=lines,
        titles=[f"{i}: {names[int(k)]}" for i, k in zip(ids, chosen.labels, strict=True)],
        reference=GENUINE,
    )


def _captions(predictions: pd.Series, confidences: pd.Series, names: tuple[str, ...]) -> list[str]:
    return [
        f"{names[int(p)]}, {words.percent(float(c))}" if p >= 0 else "not finite"
        for p, c in zip(predictions, confidences, strict=True)
    ]
