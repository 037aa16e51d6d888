"""The report of a study of slices: findings, distances, planes, lines, method."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.crafted_shards import save_artifacts
from core.report import Finding, Report, words
from core.report.drawing import Drawing, save_drawings
from core.report.figures import FigureFiles, style
from core.report.versions import GENUINE
from landscape.comparison import compare
from landscape.figures import Groups
from landscape.findings import findings
from landscape.measures import Measures
from landscape.reporting import (
    AT_EQUAL_LOSS,
    add_examples,
    common_facts,
    compared_summary,
    compared_table,
    groups_table,
    matching_table,
)
from landscape.slices import summaries
from landscape.slices.drawing.averages import average_lines
from landscape.slices.drawing.lasting import distance_forest, lasting_curves
from landscape.slices.drawing.local import local_forest, local_lines
from landscape.slices.findings import Summaries, slice_findings
from landscape.slices.gallery import Gallery, gallery_of
from landscape.slices.kinds import GRADIENT, TITLES
from landscape.slices.measures import MEASURES
from landscape.slices.tables import distance_table, local_table, way_table

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.slices.study import SlicesStudy

METHOD = """
The landscape is the cross-entropy as a function of the image. On lines its label is the one that
the classifier predicts at the image itself, on planes the true class of the genuine image, which is
the same. Distances are l2, in pixel units; images lie in [0, 1]. Points outside that box are no
images: they are evaluated and marked, or with `--box clip` moved to the nearest point of it first.

Random directions are uniform on the sphere. The gradient is that of the cross-entropy at the image;
eigenvectors are those of its input Hessian, the largest in magnitude, turned uphill. The twin of an
adversarial image is the genuine one it was made of; that of a genuine image is what the attack
named below made of it, where it fooled the classifier.

The first change of the label is looked for on 32 distances in geometric progression, up to the
reach, and then by bisection. A region of another label that lies between two of them is stepped
over, so that distances are, if anything, too large; labels that never changed count as the reach,
which makes means and medians lower bounds. Slope and curvature are the first and second derivative
of the loss along the direction, exact for the linear piece that a ReLU network is around the image,
and never clipped. They hold as far as the error stays within a fifth of the change of the loss
itself, looked at on 17 distances, half octaves apart, and interpolated between them.

Planes are evaluated on a grid; in pictures, logits and losses are interpolated between its points,
linearly, in reliefs by cubic splines. The outline of the box on a plane is exact.
"""


def write(study: SlicesStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table = run.results()
    save_artifacts(run, study, study.attacks)
    comparison = compare(table, _compared(table, study), seed=study.seed)
    groups = Groups(study.labels)
    twins = study.twin_group(run)
    told = _summaries(table, study, list(groups.labels))
    pixels = prod(study.all_images.shape)
    found = slice_findings(
        table, told, study.kinds, study.labels, twins, study.reach, pixels, seed=study.seed
    )
    found += _no_success(table, study)
    if comparison.measures:
        lead = f"{GRADIENT}_change" if GRADIENT in study.kinds else next(iter(comparison.measures))
        found += findings(comparison, study.labels, lead)
    gallery = gallery_of(study, run, table)
    drawn = _draw(table, told, groups, study, run, gallery)
    with style():
        gif = gallery.animation(run.figures)

    report = Report("The landscape around images, in slices", _subtitle(study))
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    report.section("How far the label lasts")
    report.figure(*drawn["distances"])
    report.table(
        distance_table(told.distances, study.labels, study.reach),
        "Distances to the first change of the label: the numbers of the figure. `changed` within "
        "the reach; `in the box`: of these, the share that happen at points that are images.",
    )
    report.figure(*drawn["lasting"])
    if len(told.ways):
        report.table(
            way_table(told.ways, study.labels),
            "The way between an image and its adversarial twin: how much of it the genuine image "
            "keeps its label for, and how much of it, going back, the twin keeps its own; medians "
            "with 95 % intervals. `twin deeper`: pairs in which the twin lies deeper in its "
            "region.",
        )
    _add_planes(report, gallery, drawn, study, twins)
    if gif is not None:
        report.section("Moving along the way")
        report.animation(gif, *drawn["moving_planes"])
    report.section("Lines through many images")
    report.figure(*drawn["lines"])
    if "local_lines" in drawn:
        report.section("How far the local picture reaches")
        report.figure(*drawn["local_reach"])
        report.figure(*drawn["local_lines"])
        report.table(
            local_table(told.local, study.labels),
            "How far slope, and slope and curvature, tell the change of the loss to within a fifth "
            "of it, and how far the label lasts: medians with 95 % intervals.",
        )
    if comparison.measures:
        report.section("Genuine and adversarial images compared")
        report.table(
            compared_table(comparison, study.labels),
            "Distance to the first label change around examples of each group, compared with "
            "genuine images: as ratios, or differences, as `effect` says, with 95 % intervals.",
        )
    report.section("Examples")
    add_examples(report, study, run, table)
    report.section("How it was measured")
    report.facts(_facts(study, table, run, twins))
    report.table(groups_table(comparison, study.labels), "The example groups, as verified.")
    report.table(
        matching_table(comparison, study.labels),
        "The matching: how many examples of each group found a genuine partner of equal loss, and "
        "the standardised difference of the log loss before and after.",
    )
    report.text(METHOD + (AT_EQUAL_LOSS if comparison.measures else ""))
    report.section("Repeat it")
    report.config(study.settings(), f"python -m landscape.slices --config {run.path}/config.yaml")
    report.write(run.report)
    return compared_summary(found, comparison, study) | {
        "headline": [
            {"figure": name, "caption": drawn[name][1]}
            for name in ("distances", "three_inputs_1", "moving_planes")
            if name in drawn
        ],
        "distances": _records(told.distances),
        "ways": _records(told.ways),
        "local": _records(told.local),
        "captured": _records(told.captured),
        "twins": twins,
        "pictured": [scene.id for scene in gallery.scenes],
    }


def _compared(table: pd.DataFrame, study: SlicesStudy) -> Measures:
    """Return the measures that can be compared: every example that counts has such a direction."""
    counts = table[table["loss"].notna()]
    return {
        name: measure
        for name, measure in MEASURES.items()
        if name in table and counts[name].notna().all()
    }


def _summaries(table: pd.DataFrame, study: SlicesStudy, groups: list[str]) -> Summaries:
    kinds, seed = study.kinds, study.seed
    attacked = [group for group in groups if group != GENUINE]
    has_ways = "from_genuine_change" in table and "twin_change" in table
    return Summaries(
        distances=summaries.distances(table, kinds, groups, seed=seed),
        profiles=summaries.profiles(table, kinds, groups, seed=seed),
        ways=summaries.ways(table, [g for g in attacked if g in study.attacking], seed=seed)
        if has_ways
        else pd.DataFrame(),
        local=summaries.local_pictures(table, kinds, groups, seed=seed),
        captured=summaries.captured(table, kinds, seed=seed),
    )


def _no_success(table: pd.DataFrame, study: SlicesStudy) -> list[Finding]:
    """Say which attacks fooled nothing: they have neither lines nor pictures."""
    found = []
    for group in study.attacking:
        rows = table[(table["group"] == group) & table["clean_correct"].astype(bool)]
        if len(rows) and not (rows["status"] == "success").any():
            found.append(
                Finding(
                    f"{study.labels[group]} fooled the classifier on none of the {len(rows)} "
                    "images that it gets right, so there is nothing to slice: no way to a twin, "
                    "no lines, no pictures.",
                    verdict="no success",
                    about=group,
                )
            )
    return found


def _draw(
    table: pd.DataFrame,
    told: Summaries,
    groups: Groups,
    study: SlicesStudy,
    run: RunDirectory,
    gallery: Gallery,
) -> dict[str, tuple[FigureFiles, str]]:
    """Draw and save all figures; name -> (files, caption)."""
    with style():
        drawings: list[Drawing] = [
            distance_forest(told.distances, groups, study.reach),
            lasting_curves(table, study.kinds, groups, study.reach),
            average_lines(told.profiles, study.kinds, groups),
            *gallery.drawings(study.slices),
        ]
        if gallery.scenes:
            names = study.all_images.class_names
            titles = [names[scene.label] for scene in gallery.scenes]
            drawings += [
                local_forest(told.local),
                local_lines(run.read("closely/"), titles, study.kinds),
            ]
        return save_drawings(drawings, run.figures)


def _add_planes(
    report: Report,
    gallery: Gallery,
    drawn: dict[str, tuple[FigureFiles, str]],
    study: SlicesStudy,
    twins: str | None,
) -> None:
    report.section("Planes through images")
    if not study.pictures:
        report.text("No picture was asked for (`--pictures 0`).")
        return
    if not gallery.scenes:
        report.text("The classifier gets none of the images right, so there is none to draw.")
        return
    if all(scene.twin is None for scene in gallery.scenes):
        whose = f"{study.labels[twins]} fooled no image" if twins else "There is no attack"
        report.text(f"{whose}, so there are no twins: planes through genuine images alone.")
    for name in (n for n in drawn if n.startswith(("three_inputs", "close_up", "plane_"))):
        report.figure(*drawn[name])
    for name in ("relief", "label_sheet", "loss_sheet"):
        if name in drawn:
            report.figure(*drawn[name])


def _subtitle(study: SlicesStudy) -> str:
    return (
        f"{study.model} on {study.data}: {len(study.attacked)} examples x "
        f"{len(study.groups) + 1} groups, {words.counted(study.pictures, 'picture')}"
    )


def _facts(
    study: SlicesStudy, table: pd.DataFrame, run: RunDirectory, twins: str | None
) -> dict[str, str]:
    planes: Sequence[str] = [TITLES[kind] for kind in study.slices]
    return {
        **common_facts(study, table, run),
        "twins of genuine images": "none" if twins is None else twins,
        "lines": f"{study.points} points within {study.radius:.3g} to either side; first change of "
        f"the label up to {study.reach:.3g}",
        "planes": f"{study.resolution} x {study.resolution} points: {'; '.join(planes)}",
        "outside the box": "evaluated and marked" if study.box == "mark" else "clipped to it",
    }


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.replace({np.nan: None}).to_dict("records")
