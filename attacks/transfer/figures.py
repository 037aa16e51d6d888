"""The figures of a study of transfer, each drawn from what was compared alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import FixedLocator, NullLocator

from attacks.craft.figures import looks
from attacks.recipes import parse
from attacks.transfer.analysis import Analysis, weighted, without_source
from attacks.transfer.findings import LEVEL, over_all
from core.report import words
from core.report.drawing import Drawing, name_lines, plain_ticks
from core.report.figures import subplots
from core.report.groups import GroupStyle
from core.report.plots import Effect, forest
from core.statistics import Interval

_SOURCES = (
    GroupStyle("#0072B2", "o"),
    GroupStyle("#D55E00", "s"),
    GroupStyle("#009E73", "^"),
    GroupStyle("#CC79A7", "D"),
    GroupStyle("#E69F00", "v"),
    GroupStyle("#56B4E9", "P"),
    GroupStyle("#332288", "X"),
    GroupStyle("#882255", "<"),
)
_CONTROLS = {"noise": GroupStyle("#6E6E6E", "X"), "shuffled": GroupStyle("#6E6E6E", "P")}


def recipe_styles(labels: Mapping[str, str]) -> dict[str, GroupStyle]:
    """Return the style of every recipe; controls are grey."""
    attacks = {r: label for r, label in labels.items() if not parse(r).control}
    controls = {r: _CONTROLS[parse(r).name] for r in labels if r not in attacks}
    return {**looks(attacks), **controls}


def classifier_styles(names: Sequence[str]) -> dict[str, GroupStyle]:
    """Return the style of every classifier."""
    return {name: _SOURCES[i % len(_SOURCES)] for i, name in enumerate(names)}


def rates(analysis: Analysis, labels: Mapping[str, str]) -> Drawing:
    """Draw how many examples of each recipe fool another classifier, and their own."""
    styles = recipe_styles(labels)
    figure, axes = subplots(size=(10.5, 1.5 + 0.46 * len(labels)))
    ax = axes[0, 0]
    data = []
    known = set(analysis.classifiers)
    for i, (recipe, _label) in enumerate(labels.items()):
        row, look = analysis.rate(recipe), styles[recipe]
        cells = analysis.rates[analysis.rates["recipe"] == recipe]
        cells = cells[cells["source"].isin(known) & cells["victim"].isin(known)]
        single = cells[cells["source"] != cells["victim"]]["rate"]
        own = analysis.white_box(recipe)
        ax.plot(100 * single, [i] * len(single), "|", color=look.color, alpha=0.55, markersize=13)
        ax.plot([100 * row["low"], 100 * row["high"]], [i, i], color=look.color, linewidth=4,
                solid_capstyle="butt")  # fmt: skip
        ax.plot(100 * row["rate"], i, look.marker, color=look.color, markersize=12,
                markeredgecolor="white")  # fmt: skip
        if not parse(recipe).control:
            ax.plot(100 * own, i, look.marker, color=look.color, markerfacecolor="white",
                    markersize=9)  # fmt: skip
        ax.annotate(
            words.interval(Interval(row["rate"], row["low"], row["high"]), scale=100, unit="%"),
            (1.02, i),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=11,
        )
        data.append(row.to_dict() | {"white_box": own})
    name_lines(ax, list(labels.values()))
    ax.set_xlim(-2, 102)
    ax.set_xlabel("fooled, % of the images that every classifier gets right")
    return Drawing(
        "rates",
        figure,
        pd.DataFrame(data),
        f"How many examples of each recipe fool a classifier that they were not made on: mean over "
        f"all ordered pairs (filled, with 95 % bootstrap intervals over the {analysis.images:,} "
        "images) and the single pairs (ticks). Hollow: the classifier that they were made on. Grey "
        "are the controls.",
    )


def gains(analysis: Analysis, labels: Mapping[str, str]) -> Drawing | None:
    """Draw the gain in transfer of every recipe over the plain one."""
    rows = over_all(analysis.gains)
    if len(rows):
        # Controls lie far off, and would leave no room for the rest.
        rows = rows[[r in labels and not parse(r).control for r in rows["recipe"]]]
    if not len(rows):
        return None
    styles = recipe_styles(labels)
    figure, axes = subplots(size=(10.5, 1.4 + 0.46 * len(rows)))
    effects = [
        Effect(
            labels[row["recipe"]],
            Interval(100 * row["gain"], 100 * row["low"], 100 * row["high"]),
            row["recipe"],
            bool(row["p_holm"] < LEVEL),
        )
        for _, row in rows.iterrows()
    ]
    references = list(dict.fromkeys(labels[r] for r in rows["reference"]))
    forest(axes[0, 0], effects, null=0,
           xlabel=f"gain in transfer over {words.several(references)}, percentage points",
           styles=styles)  # fmt: skip
    return Drawing(
        "gains",
        figure,
        rows,
        f"How much more often each recipe's examples fool another classifier than those of "
        f"{words.several(references)} do, image by image: mean over all ordered pairs, 95 % "
        "bootstrap intervals over the images. Filled: significant after Holm's correction over the "
        "recipes (sign-flip test).",
    )


def curves(analysis: Analysis) -> Drawing | None:
    """Draw the gain over the scale of the noise in the classifier."""
    drawn = {kind: curve for kind, curve in analysis.curves.items() if len(curve)}
    if not drawn:
        return None
    styles = classifier_styles(analysis.classifiers)
    figure, axes = subplots(1, len(drawn), size=(6.4 if len(drawn) > 1 else 8, 4.6), sharey=True)
    for ax, (kind, curve) in zip(axes.flat, drawn.items(), strict=True):
        ax.axhline(0, color="#222222", linewidth=1)
        for source, look in styles.items():
            own = curve[curve["source"] == source]
            ax.plot(own["scale"], 100 * own["gain"], look.marker, linestyle="-", linewidth=1.2,
                    markersize=5, color=look.color, label=f"from {source}")  # fmt: skip
        mean = over_all(curve)
        ax.fill_between(mean["scale"], 100 * mean["low"], 100 * mean["high"], color="#222222",
                        alpha=0.18, linewidth=0)  # fmt: skip
        ax.plot(mean["scale"], 100 * mean["gain"], color="#222222", linewidth=3, label="all pairs")
        sure = mean[mean["p_holm"] < LEVEL]
        ax.plot(sure["scale"], 100 * sure["gain"], "o", color="#222222", markersize=9)
        if (mean["scale"] > 0).all() and mean["scale"].nunique() > 1:
            ax.set_xscale("log")
            plain_ticks(ax.xaxis, FixedLocator(sorted(mean["scale"].unique())))
            ax.xaxis.set_minor_locator(NullLocator())
        ax.set_title(f"{kind} noise in the classifier")
        ax.set_xlabel("share of dropped weights" if kind == "dropout" else
                      "scale of the noise relative to the weights")  # fmt: skip
    axes[0, 0].set_ylabel("gain over no noise,\npercentage points")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(names)))
    data = pd.concat([c.assign(noisy=kind) for kind, c in drawn.items()], ignore_index=True)
    return Drawing(
        "scales",
        figure,
        data,
        "Gain in transfer where every gradient is that of a fresh noisy classifier, over the same "
        "recipe without noise, by the scale of the noise. Black: mean over all ordered pairs, with "
        f"pointwise 95 % bootstrap intervals over {analysis.images:,} images; a dot where it is "
        "significant after Holm's correction over the scales. Coloured: by source.",
    )


def wrong(analysis: Analysis, labels: Mapping[str, str]) -> Drawing | None:
    """Draw how often two victims are fooled into the same class."""
    rows = without_source(analysis.wrong)
    rows = rows[(rows["n_both"] > 0) & rows["recipe"].isin(labels)] if len(rows) else rows
    if not len(rows):
        return None
    styles = recipe_styles(labels)
    kept = [recipe for recipe in labels if (rows["recipe"] == recipe).any()]
    figure, axes = subplots(size=(9.5, 1.6 + 0.46 * len(kept)))
    ax = axes[0, 0]
    chance = float(rows["chance"].iloc[0])
    ax.axvline(100 * chance, color="#222222", linewidth=1, linestyle=":")
    for i, recipe in enumerate(kept):
        own, look = rows[rows["recipe"] == recipe], styles[recipe]
        share = weighted(own["share"], own["n_both"])
        shuffled = weighted(own["shuffled"], own["n_both"])
        ax.plot(100 * own["share"], [i] * len(own), "|", color=look.color, alpha=0.6,
                markersize=13)  # fmt: skip
        ax.plot(100 * shuffled, i, "d", color="#6E6E6E", markersize=9, markerfacecolor="white")
        ax.plot(100 * share, i, look.marker, color=look.color, markersize=12,
                markeredgecolor="white")  # fmt: skip
        ax.annotate(f"{words.percent(share)} / {words.percent(shuffled)}", (1.02, i),
                    xycoords=("axes fraction", "data"), va="center", fontsize=11)  # fmt: skip
    name_lines(ax, [labels[recipe] for recipe in kept])
    ax.set_xlim(-2, 102)
    ax.set_xlabel("the same wrong class, % of the examples that fool both victims")
    return Drawing(
        "wrong_classes",
        figure,
        rows,
        "Are two victims fooled into the same class? Filled: mean share over all sources and pairs "
        "of victims (ticks: single ones), weighted by the examples that fool both. Hollow: the "
        "same with wrong classes shuffled among images of one class. Dotted: wrong classes drawn "
        "evenly.",
    )


def relations(analysis: Analysis, label: str) -> Drawing | None:
    """Draw the rank correlations of transfer with confidence, alignment and flatness."""
    rows = analysis.relations
    rows = rows[(rows["recipe"] == analysis.main) & rows["rho"].notna()] if len(rows) else rows
    if not len(rows):
        return None
    kept = [name for name in analysis.names if (rows["covariate"] == name).any()]
    styles = classifier_styles(analysis.classifiers)
    size = (5.6, 1.7 + max(0.5, 0.16 * len(styles)) * len(kept))
    figure, axes = subplots(1, 2, size=size, sharey=True)
    for ax, held, title in (
        (axes[0, 0], False, "as it is"),
        (axes[0, 1], True, "source's confidence held fixed"),
    ):
        ax.axvline(0, color="#222222", linewidth=1)
        part = rows[(rows["controlled_for"] != "") == held]
        for j, (source, look) in enumerate(styles.items()):
            own = part[part["source"] == source].set_index("covariate")
            aside = (j - (len(styles) - 1) / 2) * 0.72 / max(len(styles), 1)
            for i, name in enumerate(kept):
                if name not in own.index:
                    continue
                row = own.loc[name]
                sure = row["p_holm"] < LEVEL
                ax.plot([row["low"], row["high"]], [i + aside] * 2, color=look.color, linewidth=2)
                ax.plot(row["rho"], i + aside, look.marker, color=look.color, markersize=6.5,
                        markerfacecolor=look.color if sure else "white")  # fmt: skip
        name_lines(ax, [analysis.names[name] for name in kept])
        ax.set_xlim(-1.05, 1.05)
        ax.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
        ax.set_title(title)
        ax.set_xlabel("rank correlation with transfer")
        for edge in np.arange(0.5, len(kept) - 1):
            ax.axhline(edge, color="#E4E4E4", linewidth=0.8)
    for source, look in styles.items():
        axes[0, 0].plot(
            [], [], look.marker, linestyle="-", color=look.color, label=f"from {source}"
        )
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)))
    return Drawing(
        "relations",
        figure,
        rows,
        f"What goes with transfer from image to image ({label}): Spearman's correlation with the "
        "share of the other classifiers that the image's example fools, by source, with 95 % "
        "bootstrap intervals; right, the partial correlation with the source's confidence in the "
        "genuine image held fixed. Filled: significant after Holm's correction.",
    )


def alignment(analysis: Analysis, table: pd.DataFrame, label: str) -> Drawing | None:
    """Draw the pairs of classifiers by the alignment of their gradients and by transfer."""
    own = table[(table["recipe"] == analysis.main) & (table["source"] != table["victim"])]
    own = own[np.isfinite(own["alignment"].astype(float))]
    if not len(own):
        return None
    mean = own.groupby(["source", "victim"], sort=False)["alignment"].mean().reset_index()
    known = analysis.rates[analysis.rates["recipe"] == analysis.main]
    mean = mean.merge(known, on=["source", "victim"])
    styles = classifier_styles(analysis.classifiers)
    figure, axes = subplots(size=(8.2, 5))
    ax = axes[0, 0]
    # A pair has one alignment both ways: the two stand side by side.
    aside = 0.006 * max(float(np.ptp(mean["alignment"])), 0.05)
    order = {name: i for i, name in enumerate(styles)}
    for _, row in mean.iterrows():
        source, victim = styles[row["source"]], styles[row["victim"]]
        x = row["alignment"] + aside * np.sign(order[row["victim"]] - order[row["source"]])
        ax.plot([x] * 2, [100 * row["low"], 100 * row["high"]],
                color=source.color, linewidth=1.4)  # fmt: skip
        ax.plot(x, 100 * row["rate"], victim.marker, color=source.color,
                markersize=10, markeredgecolor="white")  # fmt: skip
    for name, look in styles.items():
        ax.plot([], [], color=look.color, linewidth=4, label=f"from {name}")
    for name, look in styles.items():
        ax.plot([], [], look.marker, color="#6E6E6E", linestyle="none", markersize=9,
                label=f"to {name}")  # fmt: skip
    ax.set_xlabel("mean cosine of the two input gradients")
    ax.set_ylabel("fool the victim, %")
    figure.legend(loc="outside right upper")
    return Drawing(
        "alignment",
        figure,
        mean,
        f"Pairs of classifiers: how far their gradients point the same way at the genuine images, "
        f"and how many of the source's examples ({label}) fool the victim; bars are 95 % Wilson "
        "intervals. Colour: source; marker: victim.",
    )
