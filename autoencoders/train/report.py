"""The report of a study of autoencoders: which models are good, and which do not beat PCA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from autoencoders.designs import KINDS
from autoencoders.train import examples, figures
from autoencoders.train.judging import BASELINES
from core.report import Finding, Report, words
from core.report.drawing import save_drawings
from core.report.facts import classifier_fact, data_fact, run_facts
from core.report.figures import style
from core.statistics import Interval, bootstrap

if TYPE_CHECKING:
    from autoencoders.train.study import TrainStudy
    from core.studies import RunDirectory

METHOD = """
Everything is measured on images that no autoencoder has seen. The explained variance is
`1 - sum |x - x'|^2 / sum |x - mean|^2`, sums over all examples and numbers, the mean of each number
taken over the *training* examples: predicting it explains 0. Principal components are found from at
most 4,096 training examples and have as many numbers as the latent of `ae`. The spliced classifier
is given reconstructions in place of the layer's output; what is recovered is the share of the
damage that putting zeros (or the training mean) there does to the mean cross-entropy.

Representations are centred number by number and divided by one factor, so that the training loss
is the share of the variance that is not explained. The `vae`'s loss is the evidence lower bound,
with the decoder's deviation at its best for each batch, unless one is given. Codes are counted over
the whole set.
"""


def write(study: TrainStudy, run: RunDirectory) -> dict[str, Any]:
    """Write figures/ and report.html of a finished run; return the summary."""
    table, history = run.results(), run.read("fit/")
    measured = run.read("measure/")
    found = findings(table, list(study.layers))
    report = Report(
        "Autoencoders of hidden representations",
        f"{study.model} on {study.data}: {words.counted(len(study.layers), 'layer')} x "
        f"{words.counted(len(study.kinds), 'kind')} x {words.counted(study.seeds, 'seed')}",
    )
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    with style():
        drawn = save_drawings(
            [
                figures.quality(table, study.layers),
                figures.errors(table, study.layers),
                figures.curves(history, study.layers),
            ],
            run.figures,
        )
    report.section("How good they are")
    report.figure(*drawn["quality"])
    report.table(_table(table), "Every model, a row per seed.")
    report.section("How long their errors are")
    report.figure(*drawn["errors"])
    report.section("What the latents do")
    report.table(
        _latents(table),
        "Codes used and their perplexity over the whole set; divergence from the prior and active "
        "units; active and dead entries.",
    )
    report.section("How they were trained")
    report.figure(*drawn["curves"])
    report.section("Examples")
    examples.add(report, study, run)
    report.section("How it was measured")
    report.facts(_facts(study, table, measured, run))
    report.text(METHOD)
    report.section("Repeat it")
    report.config(study.settings(), f"python -m autoencoders.train --config {run.path}/config.yaml")
    report.write(run.report)
    plain = table.drop(columns=[c for c in ("explained_channels",) if c in table])
    return {
        "findings": [
            {"text": f.text, "significant": f.significant, "verdict": f.verdict, "group": f.about}
            for f in found
        ],
        "headline": [{"figure": "quality", "caption": drawn["quality"][1]}],
        "models": plain.replace({np.nan: None}).to_dict("records"),
    }


def findings(table: pd.DataFrame, layers: list[str]) -> list[Finding]:
    """Return, for each layer, which kinds beat principal components, and which do not."""
    found = []
    for layer in layers:
        rows = table[table["layer"] == layer]
        learnt = rows[~rows["kind"].isin(BASELINES)]
        pca = float(rows[rows["kind"] == "pca"]["explained_variance"].iloc[0])
        means = learnt.groupby("kind", sort=False)["explained_variance"].mean()
        said = [
            f"{figures.SHORT[kind]} {_interval(learnt[learnt['kind'] == kind])}"
            for kind in means.index
        ]
        better = [figures.SHORT[k] for k in means.index if means[k] > pca]
        worse = [figures.SHORT[k] for k in means.index if means[k] <= pca]
        text = (
            f"{layer}: explained variance {words.several(said)}; principal components of equal "
            f"latent size {pca:.3f}. "
        )
        if worse:
            text += f"{words.several(worse)} {'does' if len(worse) == 1 else 'do'} not beat PCA."
        else:
            text += f"{'It beats' if len(better) == 1 else 'All beat'} PCA."
        lost = learnt.assign(lost=100 * (learnt["accuracy_whole"] - learnt["accuracy"]))
        best = lost.sort_values("explained_variance").iloc[-1]
        text += (
            f" Spliced in, the best ({figures.SHORT[best['kind']]}) costs "
            f"{words.number(best['lost'])} points of accuracy."
        )
        found.append(Finding(text, None, "" if not worse else "PCA not beaten", layer))
    collapsed = table[table["collapsed"].eq(True)] if "collapsed" in table else table[:0]
    for row in collapsed.to_dict("records"):
        text = (
            f"{row['layer']}: the posterior of VAE {row['number']} has collapsed: "
            f"{int(row['active_units'])} of {int(row['latent'])} latent numbers say anything of "
            "the example."
        )
        found.append(Finding(text, None, "collapsed", str(row["layer"])))
    return found


def _interval(rows: pd.DataFrame) -> str:
    values = rows["explained_variance"].to_numpy(float)
    if len(values) < 3:
        return f"{values.mean():.3f}"
    band = bootstrap(values, method="percentile")
    return words.interval(Interval(band.estimate, band.low, band.high))


def _table(table: pd.DataFrame) -> pd.DataFrame:
    rows = table.copy()
    lost = 100 * (rows["accuracy_whole"] - rows["accuracy"])
    return pd.DataFrame(
        {
            "layer": rows["layer"],
            "model": rows["kind"].map(figures.SHORT),
            "seed": rows["number"],
            "latent": rows.get("latent", np.nan),
            "explained variance": rows["explained_variance"],
            "accuracy": rows["accuracy"],
            "points lost": lost,
            "agreement": rows["agreement"],
            "KL (nats)": rows["divergence"],
            "recovered of zeros": rows["recovered_zero"],
            "recovered of mean": rows["recovered_mean"],
            "error / length": rows["error_of_norm"],
            "error / random": rows["error_of_random"],
            "error / same class": rows["error_of_same_class"],
            "error / PGD": rows["error_of_attack"],
        }
    )


def _latents(table: pd.DataFrame) -> pd.DataFrame:
    columns = {
        "latent": "latent", "bits": "bits", "codes": "codes", "codes_used": "share of codes used",
        "perplexity": "perplexity", "kl": "divergence (nats)", "active_units": "active units",
        "aggregate_kl": "aggregate divergence", "collapsed": "collapsed",
        "active_entries": "active entries", "dead_entries": "share of dead entries",
    }  # fmt: skip
    rows = table[table["kind"].isin(KINDS)]
    kept = [c for c in columns if c in rows and rows[c].notna().any()]
    shown = rows[["layer", "kind", "number", *kept]].rename(columns=columns)
    return shown.assign(kind=shown["kind"].map(figures.SHORT)).rename(columns={"number": "seed"})


def _facts(
    study: TrainStudy, table: pd.DataFrame, measured: pd.DataFrame, run: RunDirectory
) -> dict[str, str]:
    train, validation = study.sets["train"], study.sets["validation"]
    right = round(float(table["accuracy_whole"].iloc[0]) * len(validation))
    layers = "; ".join(
        f"{row['layer']}, {' x '.join(str(int(side)) for side in row['shape'])} numbers, nine "
        f"tenths of their variance in {int(row['components@0.9'])} principal components"
        for row in measured.to_dict("records")
    )
    return {
        "data": data_fact(study.data, validation, f"judged on; trained on {len(train):,}"),
        "classifier": classifier_fact(study.model, study.classifier, right, len(validation)),
        "layers": layers,
        "training": f"AdamW, {study.epochs} epochs, batches of {study.train_batch}, "
        f"learning rate {study.learning_rate:g}",
        **run_facts(run.environment(), seed=study.seed, device=study.device, threads=study.threads),
    }
