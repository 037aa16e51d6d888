"""The report of a study on the manifold: what is found there, and how far off it attacks lie."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.artifacts import save_crafted
from attacks.tables import images_of
from autoencoders.artifact import load_autoencoder
from autoencoders.manifold import figures, groups
from autoencoders.manifold.analysis import comparisons, looked_at, outcomes
from autoencoders.manifold.findings import findings
from core.models import fingerprint
from core.report import Report, words
from core.report.drawing import save_drawings
from core.report.facts import classifier_fact, data_fact, run_facts
from core.report.figures import style
from core.report.groups import group_styles
from core.report.versions import GENUINE, add_versions, predicted
from core.statistics import Interval
from core.studies import file_safe

if TYPE_CHECKING:
    from autoencoders.manifold.study import ManifoldStudy
    from core.studies import RunDirectory

SHOWN = 6
METHOD = """
The search climbs the cross-entropy of the label over the latent of an example, by steepest steps
inside a ball around the example's own latent, each of whose numbers is in units of its standard
deviation over images that were not trained on. Every point is decoded, clipped to the box and shown
to the classifier; the example stops at its first success. An example whose reconstruction is
already taken for another class is given up and counts as not fooled. Noisy classifiers give the
gradients alone; the classifier itself judges. All examples are verified from outside: in the box,
finite, the label changed. There is no ball in the pixels.

PGD at equal success starts at the image, stops at its first success, and has the smallest radius,
on a ladder with steps of 15%, at which it fools at least as many as the search. Each search is
judged by an autoencoder of the same design that was trained from other weights in another order. A
z-score is that of the logarithm of the l2 reconstruction error among genuine images that were
neither trained on nor attacked, over all classes together: which class an adversarial example is of
is just what is in dispute. The residual is what is left of an image after projection on the flat
through its nearest training images, along their first principal directions, divided by the median
of the same genuine images. Medians have percentile bootstrap intervals, paired differences BCa
ones; p values are of Wilcoxon's signed-rank test, after Holm's correction over all groups and
autoencoders.
"""


def write(study: ManifoldStudy, run: RunDirectory) -> dict[str, Any]:
    """Write figures/, adversarial/ and report.html of a finished run; return the summary."""
    table, names, numbers = run.results(), list(study.labels), list(study.numbers)
    rows = outcomes(table, names, numbers)
    compared = comparisons(table, names, numbers)
    found = findings(rows, compared, study.searches)
    _save(study, run)
    report = Report(
        "On the manifold",
        f"{study.model} on {study.data}: {len(study.chosen)} images, "
        f"{words.counted(study.seeds, 'autoencoder')} to search with",
    )
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    styles = group_styles(names) | groups.STYLES
    with style():
        drawn = save_drawings(
            [
                figures.off_the_manifold(table, study.labels, numbers, styles),
                figures.lengths(table, study.labels, numbers, styles),
            ],
            run.figures,
        )
    report.section("How far off the manifold")
    report.figure(*drawn["off_the_manifold"])
    report.table(
        _spoken(rows, study.labels),
        "Every group, and autoencoder searched with: success of the correctly classified images; "
        "medians over the fooled, over all where nothing was attacked.",
    )
    report.table(
        _spoken_comparisons(compared, study.labels),
        "The search against every other group, paired by example where both fooled: mean "
        "difference of the z-scores and geometric mean ratio of the residuals, p after Holm's "
        "correction.",
    )
    report.section("How far they are moved")
    report.figure(*drawn["lengths"])
    report.section("Examples")
    _examples(report, study, run, table)
    report.section("How it was measured")
    report.facts(_facts(study, rows, run))
    report.text(METHOD)
    report.section("Repeat it")
    command = f"python -m autoencoders.manifold --config {run.path}/config.yaml"
    report.config(study.settings(), command)
    report.write(run.report)
    return {
        "findings": [
            {"text": f.text, "significant": f.significant, "verdict": f.verdict, "group": f.about}
            for f in found
        ],
        "headline": [{"figure": "off_the_manifold", "caption": drawn["off_the_manifold"][1]}],
        "groups": rows.replace({np.nan: None}).to_dict("records"),
        "comparisons": compared.replace({np.nan: None}).to_dict("records"),
    }


def _save(study: ManifoldStudy, run: RunDirectory) -> None:
    """Write what attacks have made as files for `--adversarial`."""
    for number in study.numbers:
        for group in study.labels:
            if group in (GENUINE, groups.RECONSTRUCTION) or (group in study.attacks and number):
                continue
            made = study.made(group, number, run)
            name = file_safe(group.replace(", ", "-").replace(" ", "-"))
            save_crafted(
                run.adversarial,
                made,
                study.chosen.shape,
                made["recipe"].iloc[0],
                seed=study.seed,
                classifier=fingerprint(study.classifier),
                data=study.sets[1].fingerprint,
                name=name if group in study.attacks else f"{name}-{number}",
            )


def _band(row: Mapping[Hashable, Any], name: str, **form: Any) -> str:
    if name not in row or row[name] is None or np.isnan(row[name]):
        return ""
    return words.interval(Interval(row[name], row[f"{name}_low"], row[f"{name}_high"]), **form)


def _spoken(rows: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    records = rows.to_dict("records")
    eps = rows["eps"] if "eps" in rows else pd.Series(np.nan, rows.index)
    return pd.DataFrame(
        {
            "group": [labels[row["group"]] for row in records],
            "autoencoder": rows["number"],
            "n": rows["n"],
            "success": [_band(row, "success", scale=100, unit="%") for row in records],
            "radius": ["" if np.isnan(e) else words.number(e) for e in eps],
            "error z": [_band(row, "z") for row in records],
            "z at most 2": [words.percent(row["typical"]) for row in records],
            "residual": [_band(row, "residual") for row in records],
            "z by its own": rows["own_z"],
            "latent l2": rows["latent_l2"],
            "l2": rows["l2"],
            "linf": rows["linf"],
        }
    )


def _spoken_comparisons(compared: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    records = compared.to_dict("records")

    def p_values(name: str) -> list[str]:
        return [words.p_value(row.get(f"{name}_holm", np.nan)) for row in records]

    return pd.DataFrame(
        {
            "against": [labels[row["group"]] for row in records],
            "autoencoder": compared["number"],
            "pairs": compared["n"],
            "difference of z": [_band(row, "z") for row in records],
            "p of z": p_values("z"),
            "ratio of residuals": [_band(row, "residual") for row in records],
            "p of residuals": p_values("residual"),
        }
    )


def _examples(report: Report, study: ManifoldStudy, run: RunDirectory, table: pd.DataFrame) -> None:
    """Show genuine images, reconstructions, and what the search and PGD made of them."""
    shown = [groups.RECONSTRUCTION, groups.SEARCH, groups.EQUAL["l2"]]
    won = [set(looked_at(table, group, 0)["id"]) for group in shown]
    ids = [i for i in study.chosen.ids if all(str(i) in ids for ids in won)][:SHOWN]
    if not ids:
        report.text("No image was fooled by all of them, so there is none to show.")
        return
    keys, names = [str(i) for i in ids], study.chosen.class_names
    versions, lines = {}, {}
    for group in shown:
        rows = study.made(group, 0, run).set_index("id").loc[keys].reset_index()
        versions[group] = images_of(rows, study.chosen.shape).numpy()
        lines[group] = predicted(rows["prediction"], rows["confidence"], names)
        lines[GENUINE] = predicted(rows["clean_prediction"], rows["clean_confidence"], names)
    add_versions(
        report, study.chosen.select(ids), versions, lines,
        "Images that both attacks fooled (autoencoder 0)", visible=0.99,
    )  # fmt: skip


def _facts(study: ManifoldStudy, rows: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    train, others = study.sets
    right = int(rows["right"].dropna().iloc[0])
    used = f"{len(study.chosen)} attacked, {len(study.references)} more set the scale"
    autoencoder, _ = load_autoencoder(study.file(0, run), study.device)
    design = autoencoder.design
    fitted = run.read("fit/")
    said = "not known"
    if len(fitted):
        explained = fitted.groupby("number")["explained_variance"].last()
        said = words.several(f"{share:.3f}" for share in explained)
    return {
        "data": data_fact(study.data, others, f"{used}; trained on {len(train):,}"),
        "classifier": classifier_fact(study.model, study.classifier, right, len(study.chosen)),
        "autoencoders": f"{design.kind}, {words.counted(design.latent, 'latent number')}, width "
        f"{design.width}; explained variance of held-out images {said}",
        "search": f"{study.norm} ball of radius {study.radius:g}, {study.steps} steps; noisy: "
        f"{study.noisy}",
        "flats": f"{study.neighbours} neighbours, {study.dimensions} directions",
        **run_facts(run.environment(), seed=study.seed, device=study.device, threads=study.threads),
    }
