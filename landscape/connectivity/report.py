"""The report of a connectivity study: findings, their figures, tables, examples, method."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.crafted_shards import save_artifacts
from core.report import Report, words
from core.report.drawing import Drawing, save_drawings
from core.report.figures import FigureFiles, style
from core.report.tables import intervals
from core.statistics import wilson
from landscape.comparison import Comparison, compare
from landscape.connectivity import examples, figures, findings
from landscape.connectivity.distance import at_equal_distance
from landscape.connectivity.kinds import KINDS
from landscape.connectivity.second_ends import MEASURES, POINTS
from landscape.connectivity.ways import STRAIGHT
from landscape.figures import Groups, discrimination, distributions
from landscape.findings import findings as compared_findings
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
    from landscape.connectivity.study import ConnectivityStudy

METHOD = """
The loss along a path is the cross-entropy of one class, the one that both ends are taken for. The
barrier is the largest loss on the path less the larger of its ends; the deviation is the largest l2
distance of the path to the straight line, over its length. Both are read off equidistant points of
the path after the search, as are the label along it and the share of points outside [0, 1].

The three kinds of pair have two controls. Both keep the first image of a genuine-adversarial pair.
The same-class control puts in place of the adversarial image a genuine one of the class, pushed by
shortest gradient steps to its very loss; the noise control a genuine one with a random step as long
as the adversarial one. Twins are an adversarial image and the image it was made from, for the class
that the former is taken for; the larger end is then the genuine image, so that a barrier would have
to be higher still.

As a detector, each image (genuine, adversarial or control) is the second end of lines to genuine
images of the class it is taken for, chosen at random and never its own twin or donor; the numbers
are means over these lines.
"""


def write(study: ConnectivityStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    pairs, ends = run.results(), run.read("ends/")
    save_artifacts(run, study, study.attacks)
    comparison = compare(ends, MEASURES, seed=study.seed)
    far = at_equal_distance(ends)
    attacking = {group: study.labels[group] for group in study.attacking}
    answer, *by_group = compared_findings(comparison, study.labels, findings.LEAD)
    found = [
        *findings.of_paths(pairs, study.threshold, study.points),
        *findings.of_kinds(pairs, study.threshold),
        answer,
        *findings.of_distance(comparison, far, attacking),
        *by_group,
    ]
    drawn = _draw(study, run, pairs, ends, comparison, far)

    report = Report("Paths of low loss between images", _subtitle(study, pairs))
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    report.section("Which pairs are connected, and by what")
    if "connected" in drawn:
        report.figure(*drawn["connected"])
    report.table(
        pairs_table(pairs, study.labels, study.threshold),
        f"Every kind of pair and path, verified on {study.points:,} points. Connected: barrier "
        f"below {study.threshold:g} nats, with its 95 % interval (Wilson). Bent: pairs that the "
        "search spent gradients on. Deviation in lengths of the chord.",
    )
    report.section("Can the way there tell adversarial from genuine?")
    for name in ("detector", "discrimination"):
        report.figure(*drawn[name])
    report.table(
        detector_table(comparison, study.labels),
        "Every measure as a detector: AUC with its 95 % interval against genuine twins, against "
        "genuine images of equal loss, and against the same-class control. The loss alone is the "
        "baseline; what does not stay at equal loss adds nothing to it.",
    )
    report.table(
        distance_table(far, study.labels),
        "Against same-class controls that are as far from their partners: AUC with its 95 % "
        "interval. The loss should show nothing, and the distance cannot.",
    )
    report.section("Along the paths")
    for name in drawn:
        if name.startswith(("strip", "along", "effort", "spread")):
            report.figure(*drawn[name])
    report.section("Each measure of the detector")
    report.figure(*drawn["distributions"])
    report.table(
        compared_table(comparison, study.labels),
        "Every comparison: ratios, or differences, as `effect` says, with 95 % intervals.",
    )
    report.section("Examples")
    add_examples(report, study, run, ends)
    report.section("How it was measured")
    report.facts(_facts(study, ends, run))
    report.table(groups_table(comparison, study.labels), "The example groups, as verified.")
    report.table(
        matching_table(comparison, study.labels),
        "The matching: how many examples of each group found a genuine partner of equal loss, and "
        "the standardised difference of the log loss before and after.",
    )
    report.text(METHOD + AT_EQUAL_LOSS)
    report.section("Repeat it")
    report.config(
        study.settings(), f"python -m landscape.connectivity --config {run.path}/config.yaml"
    )
    report.write(run.report)
    return {
        **compared_summary(found, comparison, study),
        "headline": [
            {"figure": name, "caption": drawn[name][1]}
            for name in ("connected", "detector")
            if name in drawn
        ],
        "pairs": pairs_summary(pairs, study.threshold).replace({np.nan: None}).to_dict("records"),
        "at_equal_distance": far.replace({np.nan: None}).to_dict("records"),
    }


def pairs_summary(pairs: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return one row per attack, kind of pair and path, in numbers."""
    found = []
    for (group, kind, path), rows in pairs.groupby(["group", "kind", "path"], sort=False):
        below = rows["barrier"] < threshold
        share = wilson(int(below.sum()), len(rows))
        bent = rows[rows["gradients"] > 0]
        found.append(
            {
                "group": group, "kind": kind, "path": path, "n": len(rows),
                "connected": share.estimate, "low": share.low, "high": share.high,
                "median barrier": rows["barrier"].median(),
                "largest barrier": rows["barrier"].max(),
                "median deviation": rows["deviation"].median(),
                "largest deviation": rows["deviation"].max(),
                "bent": len(bent),
                "median deviation, bent": bent["deviation"].median() if len(bent) else np.nan,
                "mean gradients": rows["gradients"].mean(),
                "largest gradients": int(rows["gradients"].max()),
                "mean forward passes": rows["forwards"].mean(),
                "of the class": rows["kept"].mean(),
                "outside the box": rows["outside"].max(),
                "median length": rows["length"].median(),
                "median loss, second end": rows["loss_second"].median(),
            }
        )  # fmt: skip
    return pd.DataFrame(found)


def pairs_table(pairs: pd.DataFrame, labels: dict[str, str], threshold: float) -> pd.DataFrame:
    """Return `pairs_summary` as a report shows it."""
    rows = pairs_summary(pairs, threshold)
    shown = rows.assign(
        attack=rows["group"].map(labels).fillna("none"),
        path=rows["path"].str.replace("_", " "),
        connected=intervals(rows, ("connected", "low", "high"), scale=100, unit="%"),
    )
    first = ["attack", "kind", "path", "n", "connected"]
    return shown[first + [c for c in rows if c not in (*first, "group", "low", "high")]]


def distance_table(far: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """Return `at_equal_distance` as a report shows it."""
    from landscape.measures import title

    return pd.DataFrame(
        {
            "group": far["group"].map(labels),
            "measure": [title(m, MEASURES, short=True) for m in far["measure"]],
            "pairs": far["n"],
            "AUC at equal loss, class and distance": intervals(far, ("auc", "low", "high")),
        }
    )


def lead_attack(study: ConnectivityStudy, pairs: pd.DataFrame) -> str:
    """Return the attack whose paths are shown in full: whose straight lines fail most often."""
    rows = pairs[(pairs["path"] == STRAIGHT) & (pairs["group"] != "")]
    failing = rows.assign(failed=rows["barrier"] >= study.threshold).groupby("group")["failed"]
    return str(failing.mean().idxmax()) if len(rows) else ""


def _draw(
    study: ConnectivityStudy,
    run: RunDirectory,
    pairs: pd.DataFrame,
    ends: pd.DataFrame,
    comparison: Comparison,
    far: pd.DataFrame,
) -> dict[str, tuple[FigureFiles, str]]:
    """Draw and save all figures; name -> (files, caption)."""
    groups = Groups(study.labels)
    with style(), warnings.catch_warnings():
        # Groups with too few examples have no median.
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN", RuntimeWarning)
        drawings: list[Drawing] = [
            figures.detector(comparison, far, groups),
            discrimination(comparison, groups),
            distributions(ends, MEASURES, groups),
        ]
        if len(pairs):
            drawings += _of_paths(study, run, pairs)
        return save_drawings(drawings, run.figures)


def _of_paths(study: ConnectivityStudy, run: RunDirectory, pairs: pd.DataFrame) -> list[Drawing]:
    """Draw what the paths of the pairs are like, in the order of the report."""
    attacking = {group: study.labels[group] for group in study.attacking}
    attacking = attacking or {"": "genuine images"}
    drawings = [figures.connected(pairs, attacking, study.threshold)]
    searched = [way for way in study.paths if way != STRAIGHT]
    lead = lead_attack(study, pairs)
    for way in searched[:1]:
        shown = examples.strips(study, run, pairs, lead, way)
        drawings += [figures.strip(shown)] if shown else []
        drawings.append(figures.spread(pairs, attacking, way, study.threshold))
    for way in searched:
        drawings.append(figures.effort(pairs, attacking, way, study.threshold, study.budget))
    for group in sorted(attacking, key=lambda group: group != lead):
        drawings.append(
            figures.along(pairs, group, attacking[group], list(study.paths), study.threshold)
        )
    return drawings


def _subtitle(study: ConnectivityStudy, pairs: pd.DataFrame) -> str:
    n = int((pairs["path"] == STRAIGHT).sum())
    return (
        f"{study.model} on {study.data}: {n} pairs of {len(KINDS)} kinds, {len(study.attacking)} "
        f"attacks, {len(study.attacked)} examples"
    )


def _facts(study: ConnectivityStudy, ends: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    return {
        **common_facts(study, ends, run),
        "paths": f"{words.several(way.replace('_', ' ') for way in study.paths)}; barrier allowed "
        f"{study.threshold:g} nats, at most {study.budget} gradients per pair, verified on "
        f"{study.points:,} points",
        "detector": f"each image joined to {study.partners} genuine images of its class; straight "
        f"lines read off {POINTS} points",
    }
