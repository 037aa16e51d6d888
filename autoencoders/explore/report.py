"""The report of a study of latent spaces: findings, figures, tables, pictures, method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from attacks.crafted_shards import save_artifacts
from attacks.verified_rows import SUCCESS
from autoencoders.explore import figures, findings
from autoencoders.explore.comparing import compared, restored
from autoencoders.explore.examples import Grid
from core.report import Report, words
from core.report.drawing import Drawing, save_drawings
from core.report.facts import classifier_fact, data_fact, run_facts
from core.report.figures import style
from core.report.tables import intervals
from core.report.versions import GENUINE

if TYPE_CHECKING:
    from autoencoders.explore.study import ExploreStudy
    from autoencoders.explore.subjects import Subject
    from core.studies import RunDirectory

METHOD = """
Latents, their density and all statistics are learnt from training images; the groups are made of
others. The density is a Gaussian for each class with Ledoit and Wolf's covariance; for latents that
are maps (of codes, of active entries) it is that of their first 64 principal components. Deviation
and noise are in units of the root mean square deviation of the latent's numbers. The intrinsic
dimension is TwoNN's (Facco et al. 2017), from the smallest nine tenths of the ratios of the
distances to two neighbours; its interval knows of chance alone.

Reconstruction error and change of the prediction (Jensen-Shannon divergence between the answers to
the image and to its reconstruction) are the statistics of MagNet (Meng and Chen 2017), which an
attacker who knows of them gets round (Carlini and Wagner 2017): they are measured here, not
recommended. Every detector is compared with the genuine twins of a group's examples, paired by id,
beside the trivial one, the classifier's own uncertainty; and among examples of equal confidence.
Each kind of p value is corrected over the whole table by Holm's method. What tells attacks from
genuine images may tell random noise from them as well: then it sees that an image is no genuine
one, not that it is adversarial.

Chains begin at latents of different training images of the class and follow
`log p(class | decoded) / temperature + log p(latent)`, where the latter is the density above, of a
VAE's latents, too: it is where the decoder has been trained, which the prior is not. They move in
coordinates in which the latents of their class have unit covariance; their step is in these, is
adapted while warming up and fixed afterwards. R-hat is
split and rank-normalised (Vehtari et al. 2021), for every number of the latent.
"""


def write(study: ExploreStudy, run: RunDirectory) -> dict[str, Any]:
    """Write adversarial/, figures/ and report.html of a finished run; return the summary."""
    table = run.results()
    save_artifacts(run, study, study.attacks)
    described, around, between = (run.read(f"{t}/") for t in ("describe", "around", "between"))
    chains = run.read("chains/")
    names = [subject.name for subject in study.subjects]
    areas = compared(table, names, study.attacks)
    shares = restored(table, names, study.attacks)
    skipped = [subject.name for subject in study.subjects if not subject.continuous]
    restoring = findings.restoring(shares, study.attacking)
    found = [
        *findings.detecting(areas, study.labels, study.attacking),
        *([restoring] if restoring else []),
        findings.describing(described),
        findings.noising(around, names),
        findings.crossing(between, names),
        *findings.mixing(chains, skipped, study.leapfrog),
    ]
    report = Report(
        "Latent spaces of autoencoders",
        f"{study.model} on {study.data}: {words.counted(len(names), 'autoencoder')}, "
        f"{words.counted(len(study.explored), 'example')} x "
        f"{words.counted(len(study.attacks) + 1, 'group')}",
    )
    for finding in found:
        report.finding(finding.text, finding.significant, finding.verdict)
    with style():
        drawn = save_drawings(
            [
                figures.detectors(areas, names, study.labels),
                figures.spread(table, names, study.labels),
                figures.walks(around, between, names),
                *(_where(study, run, table, subject) for subject in study.subjects),
            ],
            run.figures,
        )
    report.section("What tells adversarial from genuine")
    report.figure(*drawn["detectors"])
    report.table(
        _areas(areas, study.labels),
        "Every detector, beside the classifier's uncertainty: AUC with 95 % interval; its gain "
        "over the uncertainty in its better direction; the AUC among examples of equal confidence "
        "(the number of pairs before it); and that against random noise of equal length, for the "
        "recipe that the control copies. p values after Holm's correction.",
    )
    report.figure(*drawn["spread"])
    report.table(
        _restored(shares, study.labels),
        "How often the class is right once the reconstruction stands in for the layer's output: of "
        "genuine images that were right, and of examples that succeeded.",
    )
    report.section("Where the groups lie")
    for name in names:
        report.figure(*drawn[f"where-{name}"])
    report.section("What the latents are like")
    report.table(_described(described), "Statistics of the training latents.")
    report.section("Around an embedding, and between two")
    report.figure(*drawn["walks"])
    grids = [Grid(report, study, subject) for subject in study.subjects]
    for name, grid in zip(names, grids, strict=True):
        grid.around(around[around["name"] == name])
        grid.between(between[between["name"] == name])
    report.section("Guided by the classifier")
    if len(chains):
        report.table(
            _chains(chains, study.explored.class_names),
            "The chains of every class: R-hat and effective sample size over the latent's numbers.",
        )
        for name, grid in zip(names, grids, strict=True):
            if (chains["name"] == name).any():
                grid.chains(chains[chains["name"] == name])
    if skipped:
        report.text(
            f"No chains in {words.several(skipped)}: Markov chains need continuous latents, those "
            "of ae, dae and vae."
        )
    report.section("How it was measured")
    report.facts(_facts(study, table, run))
    report.text(METHOD)
    report.section("Repeat it")
    report.config(
        study.settings(), f"python -m autoencoders.explore --config {run.path}/config.yaml"
    )
    report.write(run.report)
    return {
        "findings": [
            {"text": f.text, "significant": f.significant, "verdict": f.verdict, "group": f.about}
            for f in found
        ],
        "headline": [{"figure": "detectors", "caption": drawn["detectors"][1]}],
        "detectors": records(areas),
        "latents": _plain(described),
    }


def _where(
    study: ExploreStudy, run: RunDirectory, table: pd.DataFrame, subject: Subject
) -> Drawing:
    train = run.read(f"latent/{subject.part}/")
    return figures.where(table, train, subject.name, study.labels, study.explored.class_names)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as plain rows, None where a number is missing."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _plain(described: pd.DataFrame) -> list[dict[str, Any]]:
    kept = described.drop(columns=["mean", "deviation", "spectrum"])
    return records(kept)


def _areas(areas: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "group": areas["group"].map(labels),
            "autoencoder": areas["name"].replace("", "none"),
            "detector": areas["detector"].map(figures.SHORT),
            "n": areas["n"],
            "AUC": intervals(areas, ("auc", "auc_low", "auc_high")),
            "p": areas["p_holm"].map(words.p_value),
            "gain": intervals(areas, ("gain", "gain_low", "gain_high")),
            "p of gain": areas["gain_p_holm"].map(words.p_value),
            "pairs of equal confidence": areas["matched_n"],
            "AUC at equal confidence": intervals(areas, ("matched", "matched_low", "matched_high")),
            "p at equal confidence": areas["matched_p_holm"].map(words.p_value),
            "AUC against noise": intervals(areas, ("control", "control_low", "control_high")),
            "beyond confidence": areas["claim"],
        }
    )


def _restored(shares: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    columns = ("share", "share_low", "share_high")
    said = intervals(shares, columns, scale=100, unit="%")
    table = shares.assign(said=said).pivot(index="name", columns="group", values="said")
    order = [group for group in (GENUINE, *labels) if group in table]
    names = {GENUINE: "genuine", **labels}
    table = table.loc[list(dict.fromkeys(shares["name"])), order].rename(columns=names)
    return table.reset_index().rename(columns={"name": "autoencoder"})


def _described(rows: pd.DataFrame) -> pd.DataFrame:
    def share(name: str) -> list[str]:
        return intervals(rows, (name, f"{name}_low", f"{name}_high"), scale=100, unit="%")

    return pd.DataFrame(
        {
            "autoencoder": rows["name"],
            "training images": rows["n"],
            "numbers": rows["numbers"],
            "that do not vary": rows["still"],
            "coordinates": rows["coordinates"],
            "deviation": rows["scale"],
            "length of the mean": rows["mean_length"],
            "skewness (median size)": rows["skewness"],
            "excess kurtosis (median)": rows["kurtosis"],
            "participation ratio": rows["participation"],
            "directions for 90 %": rows["components@0.9"],
            "intrinsic dimension": intervals(
                rows, ("dimension", "dimension_low", "dimension_high")
            ),
            "between / within classes": rows["fisher"],
            "nearest class mean is right": share("nearest_mean"),
            "class Gaussians are right": share("gaussians"),
            "shrinkage": rows["shrinkage"],
        }
    )


def _chains(chains: pd.DataFrame, class_names: tuple[str, ...]) -> pd.DataFrame:
    reached = chains.groupby(["name", "class"], sort=False)["reached"].mean()
    rows = chains.drop_duplicates(["name", "class"]).set_index(["name", "class"])
    rows = rows.assign(reached=reached).reset_index()
    return pd.DataFrame(
        {
            "autoencoder": rows["name"],
            "class": [class_names[int(k)] for k in rows["class"]],
            "classified as it": rows["reached"].map(lambda share: words.percent(float(share))),
            "accepted": rows["acceptance"],
            "step": rows["step"],
            "divergent": rows["divergent"],
            "worst R-hat": rows["r_hat"],
            "median R-hat": rows["r_hat_median"],
            "fewest effective draws": rows["effective"],
            "median effective draws": rows["effective_median"],
            "gradients per chain": rows["gradients"],
            "mixed": rows["r_hat"] <= findings.MIXED,
        }
    )


def _facts(study: ExploreStudy, table: pd.DataFrame, run: RunDirectory) -> dict[str, str]:
    first = table[(table["name"] == study.subjects[0].name) & (table["group"] == GENUINE)]
    right = int((first["prediction"] == first["label"]).sum())
    train, held_out = study.sets
    if study.autoencoder:
        other = (
            "; trained on other images than latents are described from, perhaps on some explored"
        )
        made = "; ".join(
            f"{subject.name}: {subject.file}{'' if subject.images == train.fingerprint else other}"
            for subject in study.subjects
        )
    else:
        trained = run.read("train/")
        made = "; ".join(
            f"{row['name']}, latent {int(row['latent'])}, explained variance "
            f"{row['explained_variance']:.3f}"
            for row in trained.to_dict("records")
        )
        made += f" (width {study.width}, {study.epochs} epochs)"
    once = table[table["name"] == study.subjects[0].name]
    won = once["status"].eq(SUCCESS).groupby(once["group"]).sum()
    success = "; ".join(
        f"{label} {words.count(int(won[group]), len(study.explored))}"
        for group, label in study.labels.items()
    )
    return {
        "data": data_fact(
            study.data,
            held_out,
            f"{len(study.explored)} explored; latents of {len(train):,} training images",
        ),
        "classifier": classifier_fact(study.model, study.classifier, right, len(first)),
        "autoencoders": made,
        "groups": f"examples that succeeded: {success}",
        "chains": f"{study.chains} per class, {study.draws} draws after {study.warmup} moves of "
        f"warming up, {words.counted(study.leapfrog, 'leapfrog step')}, temperature "
        f"{study.temperature:g}",
        **run_facts(run.environment(), seed=study.seed, device=study.device, threads=study.threads),
    }
