"""The report of a study of transfer: findings, figures, tables, examples, method."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from attacks.artifacts import save_crafted
from attacks.transfer import figures
from attacks.transfer.analysis import Analysis, analyse
from attacks.transfer.crossing import VALID
from attacks.transfer.examples import examples
from attacks.transfer.findings import findings, points
from attacks.transfer.recipes import ball
from core.report import Report, words
from core.report.figures import save_figure, style
from core.statistics import Interval, clopper_pearson
from core.studies import file_safe

if TYPE_CHECKING:
    from attacks.transfer.study import TransferStudy
    from core.studies import RunDirectory

METHOD = """
Only images that every classifier gets right are attacked, so that a fooled classifier is fooled by
the step and not by the image, and every rate is of the same images. All recipes of a comparison
have one norm and one radius, and each may spend at most so many gradients on an image; recipes that
leave their steps open take all of them. Every example is forwarded once by each classifier. It
counts as fooled where the prediction is not the label, and the example is finite, inside the box
and inside its ball (to 1e-6), which is checked from the saved pixels.

Intervals are bootstrapped over the images, each with all that was measured on it at all
classifiers; a single cell has Wilson's interval. They say what other images would do at these
classifiers, not what other classifiers would do. Gains are paired by image: McNemar's exact test
for one pair of classifiers, a sign-flip test for means, corrected by Holm's method.

Controls: noise makes a random step exactly as long as the attack's; shuffled gives each image the
step that the attack found for the next image of another class. Fooled sets are compared with
independent sets of the same sizes, and wrong classes with the same classes shuffled among images of
one true class. Alignment is the cosine of the gradients of the log-odds against the label with
respect to the genuine image. Relations are rank correlations over images, and say nothing of cause.
"""


def write(study: TransferStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table, clean = run.results(), run.read("clean/")
    labels = study.labels
    analysis = analyse(
        table,
        list(study.members),
        study.recipes,
        study.scaled,
        study.landscapes.measures,
        main=study.attacks,
        classes=len(study.all_images.class_names),
        seed=study.seed,
    )
    _save_examples(study, run)
    found = findings(analysis, labels, len(study.chosen))
    report = Report(
        "Which adversarial examples fool several classifiers",
        f"{len(study.members)} classifiers on {study.data}: {analysis.images} images x "
        f"{len(study.recipes)} recipes",
    )
    for finding in found:
        report.finding(finding.text, finding.good, finding.verdict)
    if analysis.images:
        shown = {r: label for r, label in labels.items() if r in study.attacks}
        _results(report, study, run, table, analysis, shown)
    report.section("How it was measured")
    report.table(_classifiers(study, clean), "The classifiers, on all images that were tried.")
    if analysis.images:
        report.table(_recipes(study, table), _recipes_caption(study))
    report.facts(_facts(study, analysis, run))
    report.text(METHOD)
    report.section("Repeat it")
    report.config(study.settings(), f"python -m attacks.transfer --config {run.path}/config.yaml")
    report.write(run.report)
    return {
        "findings": [{"text": f.text, "verdict": f.verdict} for f in found],
        "tried": len(study.chosen),
        "examples": analysis.images,
        **{
            name: getattr(analysis, name).replace({np.nan: None}).to_dict("records")
            for name in ("rates", "gains", "shared", "wrong", "relations", "pairs")
        },
    }


def _results(
    report: Report,
    study: TransferStudy,
    run: RunDirectory,
    table: pd.DataFrame,
    analysis: Analysis,
    labels: Mapping[str, str],
) -> None:
    main = study.labels[analysis.main]
    drawn = _draw(table, analysis, labels, main, run)

    def show(name: str) -> None:
        if name in drawn:
            report.figure(*drawn[name])

    everything = study.labels
    report.section("How many transfer")
    show("rates")
    show("matrices")
    report.table(
        _rates(analysis, everything),
        "Every recipe, source and victim: how many of the images are fooled, with 95 % intervals. "
        "`others` is the mean over the victims other than the source, `all` that over all pairs.",
    )
    if "gains" in drawn:
        report.section("Which recipe transfers better")
        show("gains")
        report.table(
            _gains(analysis, everything),
            "Gain in transfer over the reference, in percentage points, image by image. p: "
            "McNemar's test for single pairs, a sign-flip test for means; Holm's correction over "
            "the pairs, the sources, or (for `all`) the recipes.",
        )
    if "scales" in drawn:
        report.section("How noisy a classifier helps")
        show("scales")
        report.table(_curves(analysis), "The numbers of the figure, by kind, scale and source.")
    report.section("Are the same examples shared?")
    show("sharing")
    if len(analysis.shared):
        report.table(
            _shared(analysis.shared, everything, "source"),
            "Pairs of victims of one source's examples: how many fool the first, the second, and "
            "both; Jaccard index with what independent sets of the same sizes would have; kappa; "
            "McNemar's test of whether one is fooled more often (Holm over a recipe's rows). "
            "Where the source itself is one of the two, nearly all of its examples fool it.",
        )
        report.table(
            _shared(analysis.between_sources, everything, "victim"),
            "Pairs of sources at one victim: are the images on which the first source's examples "
            "fool it those on which the second's do?",
        )
    if "wrong_classes" in drawn:
        report.section("Are they fooled into the same class?")
        show("wrong_classes")
        report.table(
            _wrong(analysis, everything),
            "Examples that fool both victims: how many into the same class, and how many would if "
            "wrong classes were shuffled among images of one true class (p by permutation, Holm "
            "over a recipe's rows).",
        )
    report.section("What goes with transfer")
    show("relations")
    show("alignment")
    if len(analysis.relations):
        report.table(
            _relations(analysis, everything),
            "Rank correlations with the share of the other victims that an image's example fools; "
            "p values corrected by Holm's method over all of them.",
        )
    if len(analysis.pairs):
        report.table(
            _pairs(analysis, everything),
            "Alignment of gradients: AUC, the probability that it is larger for an image that "
            "fools the victim than for one that does not; and over the pairs of classifiers the "
            "rank correlation of mean alignment with transfer, whose p is by rearranging the "
            "classifiers.",
        )
    report.section("Examples")
    examples(report, study, run, table, analysis.main)


def _draw(
    table: pd.DataFrame,
    analysis: Analysis,
    labels: Mapping[str, str],
    main: str,
    run: RunDirectory,
) -> dict[str, tuple[Any, str]]:
    """Draw and save all figures; name -> (files, caption)."""
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice|All-NaN", RuntimeWarning)
        drawings = [
            figures.rates(analysis, labels),
            figures.matrices(analysis, labels),
            figures.gains(analysis, labels),
            figures.curves(analysis),
            figures.sharing(analysis, main),
            figures.wrong(analysis, labels),
            figures.relations(analysis, main),
            figures.alignment(analysis, table, main),
        ]
        return {
            d.name: (save_figure(d.figure, run.figures, d.name, data=d.data), d.caption)
            for d in drawings
            if d is not None
        }


def _save_examples(study: TransferStudy, run: RunDirectory) -> None:
    """Write each source's examples as files that `--adversarial` takes."""
    for source in study.members:
        made = run.read(f"craft/{file_safe(source)}/")
        for recipe in study.recipes:
            own = made[made["recipe"] == recipe] if len(made) else made
            if len(own):
                save_crafted(
                    run.adversarial / file_safe(source),
                    own,
                    study.chosen.shape,
                    recipe,
                    seed=study.seed,
                    classifier=study.fingerprints[source],
                    data=study.all_images.fingerprint,
                )


def _share(rows: pd.DataFrame, estimate: str, low: str, high: str, **how: Any) -> list[str]:
    ends = rows[[estimate, low, high]].to_numpy(float)
    return [
        words.interval(Interval(*line), **how) if np.isfinite(line).all() else "n/a"
        for line in ends
    ]


def _rates(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    rows = analysis.rates
    return pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "source": rows["source"],
            "victim": rows["victim"],
            "images": rows["n"],
            "fooled": _share(rows, "rate", "low", "high", scale=100, unit="%"),
        }
    ).iloc[_means_first(rows)]


def _means_first(rows: pd.DataFrame) -> np.ndarray:
    """Order rows so that means over all pairs come first, then over others, then single pairs."""
    rank = np.where(rows["source"] == "all", 0, np.where(rows["victim"] == "others", 1, 2))
    return np.argsort(rank, kind="stable")


def _gains(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    rows = analysis.gains.iloc[_means_first(analysis.gains)]
    return pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "over": rows["reference"].map(labels),
            "source": rows["source"],
            "victim": rows["victim"],
            "gain, points": [points(row).removesuffix(" points") for _, row in rows.iterrows()],
            "only this fools": rows["only_recipe"],
            "only the reference": rows["only_reference"],
            "p": rows["p"].map(words.p_value),
            "p (Holm)": rows["p_holm"].map(words.p_value),
        }
    )


def _curves(analysis: Analysis) -> pd.DataFrame:
    parts = []
    for kind, rows in analysis.curves.items():
        parts.append(
            pd.DataFrame(
                {
                    "noise": kind,
                    "scale": rows["scale"],
                    "source": rows["source"],
                    "transfer": rows["rate"].map(words.percent),
                    "plain PGD": rows["reference_rate"].map(words.percent),
                    "gain, points": [
                        points(row).removesuffix(" points") for _, row in rows.iterrows()
                    ],
                    "p (Holm)": rows["p_holm"].map(words.p_value),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _shared(rows: pd.DataFrame, labels: Mapping[str, str], fixed: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            fixed: rows[fixed],
            "first": rows["first"],
            "second": rows["second"],
            "fool the first": rows["n_first"],
            "the second": rows["n_second"],
            "both": rows["n_both"],
            "Jaccard": _share(rows, "jaccard", "jaccard_low", "jaccard_high"),
            "independent": rows["expected_jaccard"],
            "kappa": _share(rows, "kappa", "kappa_low", "kappa_high"),
            "McNemar p (Holm)": rows["p_holm"].map(words.p_value),
        }
    )


def _wrong(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    rows = analysis.wrong
    return pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "source": rows["source"],
            "first": rows["first"],
            "second": rows["second"],
            "fool both": rows["n_both"],
            "same class": _share(rows, "share", "low", "high", scale=100, unit="%"),
            "shuffled": rows["shuffled"].map(words.percent),
            "p (Holm)": rows["p_holm"].map(words.p_value),
        }
    )


def _relations(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    rows = analysis.relations
    return pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "source": rows["source"],
            "with": rows["covariate"].map(analysis.names),
            "held fixed": ["confidence" if held else "" for held in rows["controlled_for"]],
            "images": rows["n"],
            "rank correlation": _share(rows, "rho", "low", "high"),
            "p (Holm)": rows["p_holm"].map(words.p_value),
            "note": rows["reason"],
        }
    )


def _pairs(analysis: Analysis, labels: Mapping[str, str]) -> pd.DataFrame:
    rows = analysis.pairs
    kinds = {"auc": "AUC", "spearman": "rank correlation over pairs"}
    return pd.DataFrame(
        {
            "recipe": rows["recipe"].map(labels),
            "source": rows["source"],
            "victim": rows["victim"],
            "statistic": rows["statistic"].map(kinds),
            "n": rows["n"],
            "estimate": _share(rows, "estimate", "low", "high"),
            "p (Holm)": rows["p_holm"].map(words.p_value),
            "note": rows["reason"],
        }
    )


def _classifiers(study: TransferStudy, clean: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name, member in study.members.items():
        own = clean[clean["classifier"] == name]
        accuracy = clopper_pearson(int(own["correct"].sum()), len(own))
        rows.append(
            {
                "classifier": name,
                "network": member.spec,
                "weights": study.fingerprints[name][:12],
                "normalisation": str(study.loaded[name].normalisation or "none"),
                "right": int(own["correct"].sum()),
                "of": len(own),
                "accuracy": words.interval(accuracy, scale=100, unit="%"),
            }
        )
    return pd.DataFrame(rows)


def _recipes(study: TransferStudy, table: pd.DataFrame) -> pd.DataFrame:
    once = table[table["victim"] == table["source"]].groupby("recipe", sort=False)
    cost = once[["forwards", "backwards", "l2", "linf"]].mean()
    invalid = once["status"].apply(lambda status: int((status != VALID).sum()))
    rows = []
    for text, recipe in study.recipes.items():
        norm, eps = ball(recipe)
        rows.append(
            {
                "recipe": study.labels[text],
                "norm": norm,
                "radius": "no fixed radius" if eps is None else words.number(eps),
                "gradients at most": recipe.gradients,
                "gradients": cost.loc[text, "backwards"],
                "forward passes": cost.loc[text, "forwards"],
                "mean l2": cost.loc[text, "l2"],
                "mean linf": cost.loc[text, "linf"],
                "invalid": invalid[text],
                "in full": recipe.full,
            }
        )
    return pd.DataFrame(rows)


def _recipes_caption(study: TransferStudy) -> str:
    balls = {ball(recipe) for recipe in study.recipes.values()}
    caption = (
        f"The recipes: at most {study.gradients} gradients each; what was spent and how far images "
        "were moved, means over images and sources. A control's gradients are those of the recipe "
        "that it is like."
    )
    if len(balls) > 1:
        caption += (
            f" There are {len(balls)} kinds of norm and radius: recipes of different kinds are not "
            "rivals, and gains are over a reference of the same kind."
        )
    return caption


def _facts(study: TransferStudy, analysis: Analysis, run: RunDirectory) -> dict[str, str]:
    images, made = study.all_images, run.environment()
    begun = datetime.fromisoformat(made["started"])
    took = (datetime.now(begun.tzinfo) - begun).total_seconds()
    return {
        "data": f"{study.data}, split {images.split}: {len(images)} images of shape "
        f"{images.shape}, {len(images.class_names)} classes; {len(study.chosen)} tried, "
        f"{analysis.images} right everywhere",
        "gradient budget": f"{study.gradients} per image",
        "flatness": ", ".join(study.flatness) or "not related; see --flatness",
        "seed": str(study.seed),
        "time": f"{words.duration(took)} from the first start, pauses included; begun "
        f"{begun:%Y-%m-%d %H:%M %Z}",
        "versions": ", ".join(f"{k} {v}" for k, v in made["versions"].items()),
        "device": f"{study.device}, {study.threads} thread(s) per process",
    }
