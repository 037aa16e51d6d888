"""The report that joins those of the parts: what each found, and what holds over all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from attacks.recipe_lists import is_control
from core.report import Finding, Report, words
from core.report.drawing import save_drawings
from core.report.figures import DPI, FigureFiles, style
from core.report.tables import intervals
from landscape import figures
from landscape.comparison import verdicts
from landscape.figures.heat_map import COMPARED
from landscape.findings import NAMED, apart, as_noise
from landscape.measures import LOSS
from landscape.reporting import add_examples, common_facts

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.study.study import LandscapeStudy

TITLES = {
    "flatness": "Flatness",
    "curvature": "Curvature",
    "connectivity": "Connectivity",
    "slices": "Slices",
    "noise": "Noise in the optimisation",
}

CAPTION = (
    "AUC of “the measure is larger for the attack's examples”: against their genuine twins (raw), "
    "against genuine images of equal loss, and against the same-class control. Orange: larger, "
    "violet: smaller, white: no different. Framed: differs at equal loss in all comparisons that "
    "could be made, after Holm's correction over all parts. Hatched: too few images to compare. "
    "The loss is the trivial baseline."
)

METHOD = """
Every part is a study of its own, whose report says how it was measured. Here their comparisons are
put together: the p values at equal loss are corrected by Holm's method over all comparisons of all
parts, so that a difference claimed here had to survive more than in its own report. Noise in the
optimisation has recipes of its own and is not among these comparisons.
"""


def compared(name: str, summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return what a part compared, one row per group and measure; one empty row if it did not."""
    rows = pd.DataFrame(summary.get("discrimination") or [{}])
    # What could be compared nowhere is None in JSON, and was a number that is not one.
    rows = rows.astype({name: float for name in rows if rows[name].isna().all()})
    rows.insert(0, "part", name)
    return rows


def write(study: LandscapeStudy, run: RunDirectory) -> dict[str, Any]:
    """Write figures/ and report.html of a finished run; return the summary."""
    summaries = {name: study.joined.run_of(name, run).summary() for name in study.parts}
    rows = _together(run.results())
    found = [_answer(rows), *_leads(summaries)]
    report = Report(
        "The landscape around genuine and adversarial images",
        f"{study.model} on {study.data}: {words.counted(len(study.attacked), 'example')}, "
        f"{words.several(TITLES[name].lower() for name in study.parts)}",
    )
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    if len(rows) and rows[list(COMPARED)].notna().any(axis=None):
        titles = dict(zip(rows["measure"], rows["title"], strict=True))
        report.section("What holds at equal loss")
        with style():
            drawing = figures.areas(
                rows, study.labels, titles, parts=TITLES, name="overview", caption=CAPTION
            )
            report.figure(*save_drawings([drawing], run.figures)["overview"])
        report.table(
            _table(rows),
            "Every measure of every part as a detector: AUC with its 95 % interval, against "
            "genuine twins, genuine images of equal loss, and the same-class control; p corrected "
            "over all of them.",
        )
    for name in study.parts:
        report.section(TITLES[name])
        _part(report, run.path / name, summaries[name])
    _examples(report, study, run)
    report.section("How it was measured")
    report.facts(_facts(study, run))
    report.text(METHOD)
    report.section("Repeat it")
    report.config(study.settings(), f"python -m landscape.study --config {run.path}/config.yaml")
    report.write(run.report)
    return {
        "findings": [
            {"text": f.text, "significant": f.significant, "verdict": f.verdict, "group": f.about}
            for f in found
        ],
        "parts": {name: summary["findings"] for name, summary in summaries.items()},
        "discrimination": rows.replace({np.nan: None}).to_dict("records"),
    }


def _together(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons of all parts, judged anew over all of them.

    What takes the genuine image or its label to measure is no detector and stays in its own part;
    what two parts measure alike, such as the loss, counts once.
    """
    if "measure" not in rows:
        return pd.DataFrame()
    rows = rows[rows["measure"].notna()]
    rows = rows[rows["detector"].astype(bool)]
    again = rows.duplicated(["group", "measure", "n", "auc", "matched_auc", "control_auc"])
    return verdicts(rows[~again].reset_index(drop=True))


def _answer(rows: pd.DataFrame) -> Finding:
    """Say what survives at equal loss, over all parts."""
    own = rows[rows["measure"] != LOSS] if len(rows) else rows
    own = own[~own["group"].map(is_control)] if len(own) else own
    if not len(own):
        return Finding("No attack was compared with genuine images.", None)
    raw = own[(own["auc_low"] > 0.5) | (own["auc_high"] < 0.5)]
    testable, kept = own[own["beyond"].notna()], own[own["beyond"].fillna(0) != 0]
    text = (
        f"{words.counted(len(own), 'comparison')} of adversarial with genuine images (attack x "
        f"measure): {len(raw)} differ raw; {len(testable)} could be made at equal loss, and "
        f"{len(kept)} of these differ there, after Holm's correction over all parts."
    )
    alike = as_noise(rows, kept)
    if alike.any():
        text += (
            f" {int(alike.sum())} of them are no mark of an attack: the noise control shows "
            "them, too."
        )
    marks = kept[~alike]
    if len(marks):
        said = []
        for label, of_group in marks.groupby("label", sort=False):
            best = of_group.assign(strength=apart(of_group)).nlargest(NAMED, "strength")
            said.append(f"{label}: {words.several(map(_spoken, best.itertuples()))}")
        text += f" The strongest of the others, by attack: {'; '.join(said)}."
    return Finding(text, bool(len(marks)))


def _spoken(row: Any) -> str:
    which = "control" if np.isfinite(row.control_auc) else "matched"
    low, high = (getattr(row, f"{which}_{end}") for end in ("low", "high"))
    area = getattr(row, f"{which}_auc")
    size = "larger" if row.beyond > 0 else "smaller"
    return f"{size} {row.spoken} (AUC {area:.2f} [{low:.2f}, {high:.2f}])"


def _leads(summaries: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return the first finding of each part, which begins with the name of the part."""
    found = []
    for name, summary in summaries.items():
        first = summary["findings"][0]
        text = first["text"]
        if not text.startswith(TITLES[name]):
            text = f"{TITLES[name]}. {text}"
        found.append(Finding(text, first["significant"], first.get("verdict") or "", name))
    return found


def _part(report: Report, folder: Path, summary: Mapping[str, Any]) -> None:
    """Add the figures that show a part's answer, its findings, and the way to its report."""
    for shown in summary["headline"]:
        files = [folder / "figures" / f"{shown['figure']}.{end}" for end in ("png", "svg", "csv")]
        with Image.open(files[0]) as picture:
            width = picture.width / DPI
        csv = files[2] if files[2].exists() else None
        report.figure(FigureFiles(files[0], files[1], csv, width), shown["caption"])
    for finding in summary["findings"][1:]:
        verdict = f" ({finding['verdict']})" if finding.get("verdict") else ""
        report.text(f"{finding['text']}{verdict}")
    report.link("The whole report of this part", folder / "report.html")


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    said = {1.0: "larger", -1.0: "smaller", 0.0: "no"}
    return pd.DataFrame(
        {
            "part": rows["part"],
            "group": rows["label"],
            "measure": rows["title"],
            "AUC": intervals(rows, ("auc", "auc_low", "auc_high")),
            "matched AUC": intervals(rows, ("matched_auc", "matched_low", "matched_high")),
            "AUC against control": intervals(rows, ("control_auc", "control_low", "control_high")),
            "matched p": rows["matched_p_holm"].map(words.p_value),
            "control p": rows["control_p_holm"].map(words.p_value),
            "beyond the loss": [
                "baseline" if m == LOSS else said.get(b, "n/a")
                for m, b in zip(rows["measure"], rows["beyond"], strict=True)
            ],
        }
    )


def _examples(report: Report, study: LandscapeStudy, run: RunDirectory) -> None:
    """Show examples, where a part has measured all groups."""
    if "flatness" in study.parts:
        report.section("Examples")
        own = study.joined.run_of("flatness", run)
        add_examples(report, study, own, own.results())


def _facts(study: LandscapeStudy, run: RunDirectory) -> dict[str, str]:
    measured = next((name for name in study.parts if name in ("flatness", "curvature")), None)
    if measured is None:
        return {"examples": words.counted(len(study.attacked), "image")}
    return common_facts(study, study.joined.run_of(measured, run).results(), run)
