"""The report of a study of augmentation: what it changes, and what the moves mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from autoencoders.augment import examples, figures
from autoencoders.augment.comparisons import TITLES, differences, means, of_way
from autoencoders.augment.findings import findings
from core.report import Report, words
from core.report.drawing import save_drawings
from core.report.facts import classifier_fact, data_fact, run_facts
from core.report.figures import style

if TYPE_CHECKING:
    from autoencoders.augment.study import AugmentStudy
    from core.studies import RunDirectory

METHOD = """
A move replaces the output `h` of a layer by `decode(encode(h) + scale * deviation * noise)`, where
`deviation` is that of each latent number over the training images. Noise moves the same example
in a random direction by exactly the same l2 length; at the input both stay in the box of valid
images. An image is drawn with the probability in each epoch; it is moved if the classifier as it is
at that step, in eval mode, classifies the image itself correctly. The step is a constant to the
gradient: what comes before the layer is trained through the identity, with both kinds of moves.
Both arms of a pair have the same starting weights, order of images and draws.

Flatness: `gradient` is the l2 norm of the gradient of the cross-entropy at the image; it vanishes
with confidence. `slope`, that of the log-odds, does not. `rise` is the mean cross-entropy on points
at an l2 distance, minus that of the image. A verified success of an attack is an image inside the
box and the ball that the classifier, asked anew, gets wrong, and whose original it gets right.

Intervals are for the mean over seeds and images, both taken as samples: variance components of the
table of paired differences, with Satterthwaite's degrees of freedom. The autoencoder of a layer and
the reference are each trained once: the intervals say nothing of others.
"""


def write(study: AugmentStudy, run: RunDirectory) -> dict[str, Any]:
    """Write figures/ and report.html of a finished run; return the summary."""
    table, read = run.results(), run.read("read/")
    trained, fitted = run.read("train/"), run.read("autoencoder/")
    found = differences(study, table, read)
    said = findings(study, found, read)
    averages, trainings = means(study, table), _trainings(study, trained)
    report = Report(
        "Augmentation on the manifold of a layer",
        f"{study.model} on {study.data}: {words.counted(len(study.layers), 'layer')}, "
        f"{words.counted(study.seeds, 'seed')}",
    )
    for finding in said:
        report.finding(finding.text, finding.significant, finding.verdict)
    with style():
        drawn = save_drawings(
            [figures.differences(found, study.layers), figures.moves(read, study.layers)],
            run.figures,
        )
    report.section("What it changes")
    report.figure(*drawn["differences"])
    report.table(averages, "Means over images, of all seeds (lowest to highest seed).")
    report.table(_differences(found), "Every difference, with its 95% interval.")
    report.section("What the moves mean")
    report.figure(*drawn["moves"])
    examples.add(report, study, run, read)
    report.section("What it cost")
    report.table(
        trainings,
        "Means over epochs and seeds: share of the images drawn and moved, length of the moves and "
        "as a share of the output's, seconds per epoch and as a multiple of those without moves; "
        "and how much of the judged images' variance the autoencoder of the reference explains in "
        "the trained classifiers' layer.",
    )
    report.section("How it was measured")
    report.facts(_facts(study, table, fitted, run))
    report.text(METHOD)
    report.section("Repeat it")
    report.config(
        study.settings(), f"python -m autoencoders.augment --config {run.path}/config.yaml"
    )
    report.write(run.report)
    return {
        "findings": [
            {"text": f.text, "significant": f.significant, "verdict": f.verdict, "group": f.about}
            for f in said
        ],
        "headline": [{"figure": "differences", "caption": drawn["differences"][1]}],
        "differences": found.to_dict("records"),
        "means": averages.to_dict("records"),
        "trainings": trainings.replace({np.nan: None}).to_dict("records"),
    }


def _differences(found: pd.DataFrame) -> pd.DataFrame:
    columns = ["layer", "first", "second", "title", "unit", "estimate", "low", "high", "p",
               "p_holm", "shown"]  # fmt: skip
    names = {"title": "measure", "p_holm": "p (Holm)"}
    return found[columns].rename(columns=names)


def _trainings(study: AugmentStudy, trained: pd.DataFrame) -> pd.DataFrame:
    """Return what moves were made, what they cost, and what became of the layer."""
    numbers = ["drawn", "augmented", "length", "relative_length", "explained_after"]
    rows = []
    for layer in study.layers:
        start = study.start_of(layer)
        alone = of_way(trained, "none", layer, start)["seconds"].mean()
        for arm, title in TITLES.items():
            own = of_way(trained, arm, layer, start)
            found = {name: float(own[name].mean()) if name in own else np.nan for name in numbers}
            explained = found.pop("explained_after")
            rows.append(
                {
                    "layer": layer,
                    "start": start,
                    "moves": title,
                    **{name.replace("_", " "): value for name, value in found.items()},
                    "seconds per epoch": own["seconds"].mean(),
                    "times none": own["seconds"].mean() / alone,
                    "explained": explained,
                }
            )
    return pd.DataFrame(rows)


def _facts(
    study: AugmentStudy, table: pd.DataFrame, fitted: pd.DataFrame, run: RunDirectory
) -> dict[str, str]:
    from core.training import evaluate

    images = study.judged_images()
    right = round(evaluate(study.classifier, images).accuracy * len(images))
    layers = "; ".join(
        f"{row['layer']}, {' x '.join(str(int(side)) for side in row['shape'])} numbers, "
        f"{study.kind} of {int(row['latent'])} numbers that explains "
        f"{words.percent(row['explained_variance'])} of the judged images' variance"
        for row in fitted.to_dict("records")
    )
    unverified = int(sum(table[f"unverified{i}"].sum() for i in range(len(study.attacks))))
    train = study.sets["train"]
    return {
        "data": data_fact(study.data, images, f"judged on; trained on {len(train):,}"),
        "reference": classifier_fact(study.model, study.classifier, right, len(images)),
        "layers": layers,
        "moves": f"probability {study.probability:g}, scale {study.scale:g}",
        "training": f"SGD, {study.epochs} epochs, batches of {study.train_batch}, peak learning "
        f"rate {study.learning_rate:g} from scratch, {study.tuning_rate:g} from the reference",
        "attacks": f"{', '.join(study.attacks)}; claimed successes that could not be verified: "
        f"{unverified}",
        "noise": f"l2 radius {study.radius:g}, {words.counted(study.draws, 'draw')}",
        **run_facts(run.environment(), seed=study.seed, device=study.device, threads=study.threads),
    }
