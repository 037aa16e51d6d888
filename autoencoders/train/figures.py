"""The figures of a study of autoencoders, drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from autoencoders.designs import KINDS, TITLES
from autoencoders.train.judging import BASELINES
from core.report.drawing import Drawing, name_lines, remove_unused
from core.report.figures import subplots

COLOURS = {
    "ae": "#0072B2", "dae": "#56B4E9", "vae": "#D55E00", "vqvae": "#009E73", "fsq": "#332288",
    "sae": "#CC79A7", "mean": "#8A8A8A", "pca": "#000000", "nearest": "#7A6A00",
}  # fmt: skip
NAMES = {
    **TITLES,
    "mean": "training mean",
    "pca": "principal components",
    "nearest": "nearest training example",
}
SHORT = {
    "ae": "AE", "dae": "denoising AE", "vae": "VAE", "vqvae": "VQ-VAE", "fsq": "FSQ", "sae": "SAE",
    "mean": "mean", "pca": "PCA", "nearest": "nearest",
}  # fmt: skip


def quality(table: pd.DataFrame, layers: Sequence[str]) -> Drawing:
    """Draw what every model explains, and what the classifier loses with it, at every layer."""
    kinds = [k for k in (*BASELINES, *KINDS) if (table["kind"] == k).any()]
    figure, axes = subplots(
        len(layers), 2, size=(4.75, 0.9 + 0.27 * len(kinds)), sharey=True, sharex="col"
    )
    for (left, right), layer in zip(axes, layers, strict=True):
        rows = table[table["layer"] == layer]
        _dots(left, rows, kinds, rows["explained_variance"])
        _dots(right, rows, kinds, 100 * (rows["accuracy_whole"] - rows["accuracy"]))
        pca = rows[rows["kind"] == "pca"]["explained_variance"]
        if len(pca):
            left.axvline(float(pca.iloc[0]), color="0.35", linestyle=":", linewidth=1)
        left.set_title(f"{layer}: explained variance", loc="left", fontsize=10)
        right.set_title("accuracy lost when spliced in", loc="left", fontsize=10)
        name_lines(left, [SHORT[kind] for kind in kinds], size=9)
    axes[-1, 0].set_xlim(right=1.02)
    low = max(-0.25, float(table["explained_variance"].min()) - 0.05)
    axes[-1, 0].set_xlim(left=low)
    axes[-1, 0].set_xlabel("share of the variance about the training mean", fontsize=9)
    axes[-1, 1].set_xlabel("percentage points", fontsize=9)
    return Drawing(
        "quality",
        figure,
        table.drop(columns=[c for c in ("explained_channels", "explained_classes", "kl_each")
                            if c in table]),
        "What every model explains of representations it was not trained on (left; 1 is all, 0 is "
        "the training mean; dotted: principal components with as many numbers as the autoencoder's "
        "latent), and what the classifier loses in accuracy when reconstructions stand in for the "
        "layer (right). A dot per seed.",
    )  # fmt: skip


def _dots(ax: Axes, rows: pd.DataFrame, kinds: Sequence[str], values: pd.Series) -> None:
    """Draw a dot per seed for each kind, one line each."""
    for i, kind in enumerate(kinds):
        own = values[rows["kind"] == kind].to_numpy(float)
        heights = i + np.linspace(-0.16, 0.16, len(own)) if len(own) > 1 else [float(i)]
        ax.plot(own, heights, "o", color=COLOURS[kind], markersize=6)
    ax.axvline(0, color="0.35", linewidth=1)
    ax.tick_params(labelsize=8)


def curves(history: pd.DataFrame, layers: Sequence[str]) -> Drawing:
    """Draw how much of the validation representations is explained, epoch by epoch."""
    across = min(3, len(layers))
    figure, axes = subplots(-(-len(layers) // across), across, size=(9.5 / across, 2.9))
    for ax, layer in zip(axes.flat, layers, strict=False):
        rows = history[history["layer"] == layer]
        for (kind, number), own in rows.groupby(["kind", "number"], sort=False):
            ax.plot(
                own["epoch"], own["explained_variance"].clip(lower=-0.2), color=COLOURS[str(kind)],
                linewidth=1.5, label=SHORT[str(kind)] if number == 0 else None,
            )  # fmt: skip
        ax.set_title(layer, loc="left", fontsize=10)
        ax.set_xlabel("epoch", fontsize=9)
        ax.tick_params(labelsize=8)
        ax.set_ylim(top=1.0)
    axes[0, 0].set_ylabel("explained variance", fontsize=9)
    axes[0, 0].legend(fontsize=8, loc="lower right")
    remove_unused(figure, axes, len(layers))
    return Drawing(
        "curves",
        figure,
        history,
        "Explained variance of representations that were not trained on, after every epoch; a line "
        "per kind and seed. Values below -0.2 are drawn there.",
    )


def errors(table: pd.DataFrame, layers: Sequence[str]) -> Drawing:
    """Draw reconstruction errors in units of lengths one can imagine."""
    units = {
        "error_of_norm": "the representation's length",
        "error_of_random": "the way to a random example",
        "error_of_same_class": "the way to the nearest of its class",
        "error_of_attack": "PGD's move",
    }
    kinds = [k for k in (*BASELINES, *KINDS) if (table["kind"] == k).any()]
    figure, axes = subplots(
        len(layers), len(units), size=(2.5, 0.8 + 0.22 * len(kinds)), sharey=True, sharex="col"
    )
    for line, layer in zip(axes, layers, strict=True):
        rows = table[table["layer"] == layer]
        for ax, (column, unit) in zip(line, units.items(), strict=True):
            _dots(ax, rows, kinds, rows[column])
            ax.axvline(1, color="0.6", linestyle=":", linewidth=1)
            if layer == layers[0]:
                ax.set_title(f"in units of\n{unit}", loc="left", fontsize=8)
        name_lines(line[0], [SHORT[kind] for kind in kinds], size=8)
        line[0].set_ylabel(layer, fontsize=9)
    return Drawing(
        "errors",
        figure,
        table[["layer", "kind", "number", *units]],
        "Median error of a reconstruction, as a multiple of other lengths (dotted: as long): of "
        "the representation itself, of the way to a random other example, to the nearest other "
        "example of its class, and of the move that PGD makes in this layer. What is longer than "
        "the way to a neighbour does not tell examples of a class apart; what is longer than PGD's "
        "move hides it.",
    )
