"""The figures of a study of augmentation, drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from autoencoders.augment.comparisons import AUTOENCODER, COMPARED, NOISE, NONE
from core.report.drawing import Drawing, name_lines
from core.report.figures import subplots
from core.statistics import bootstrap

_VERMILION, _GREY, _BLUE = "#D55E00", "#6E6E6E", "#0072B2"
COLOURS = {(AUTOENCODER, NONE): _VERMILION, (AUTOENCODER, NOISE): _BLUE, (NOISE, NONE): _GREY}
LINES = {
    (AUTOENCODER, NONE): "autoencoder − none",
    (AUTOENCODER, NOISE): "autoencoder − noise",
    (NOISE, NONE): "noise − none",
}
READ = {
    "same": "nearest example\nstays the same",
    "class_changed": "class of the nearest\nexample changes",
    "prediction_changed": "prediction\nchanges",
}


def differences(found: pd.DataFrame, layers: Sequence[str]) -> Drawing:
    """Draw every difference between ways of training, a panel per layer and measure."""
    rows = found[found["seeds"] > 0]
    measures = list(dict.fromkeys(rows["measure"]))
    figure, axes = subplots(
        len(layers), len(measures), size=(2.45, 1.75), sharex="col", sharey=True
    )
    for line, layer in zip(axes, layers, strict=True):
        for ax, measure in zip(line, measures, strict=True):
            own = rows[(rows["layer"] == layer) & (rows["measure"] == measure)]
            for i, pair in enumerate(COMPARED):
                row = own[(own["first"] == pair[0]) & (own["second"] == pair[1])].iloc[0]
                _difference(ax, i, row, COLOURS[pair])
            ax.axvline(0, color="0.35", linewidth=1)
            ax.margins(x=0.12)
            if layer == layers[0]:
                ax.set_title(_broken(row["title"]), loc="left", fontsize=9.5)
            if layer == layers[-1]:
                ax.set_xlabel(row["unit"], fontsize=9)
        name_lines(line[0], [LINES[pair] for pair in COMPARED], size=9)
        start = "from scratch" if own["start"].iloc[0] == "scratch" else "from reference"
        line[0].set_ylabel(f"{layer}\n{start}", fontsize=10)
        for ax in line[1:]:
            name_lines(ax, [LINES[pair] for pair in COMPARED], size=9)
            ax.tick_params(labelleft=False)
    n, seeds = int(rows["n"].iloc[0]), int(rows["seeds"].iloc[0])
    return Drawing(
        "differences",
        figure,
        found.drop(columns=["each"]),
        f"Differences between classifiers trained with moves of the autoencoder, with noise of "
        f"equal length, and with none, on {n} images that none was trained on, {seeds} seeds each: "
        "95% intervals over seeds and images, a small dot per seed. Filled: a difference shown "
        "(p < 0.05 after Holm, over all of the study); hollow: none shown. Accuracies are better "
        "to the right; gradient, slope and rise are flatter to the left.",
    )


def _difference(ax: Axes, line: int, row: pd.Series, colour: str) -> None:
    each = np.asarray(row["each"], float)
    ax.plot(each, line + 0.24 + np.zeros(len(each)), ".", color=colour, markersize=4, alpha=0.6)
    ax.plot([row["low"], row["high"]], [line, line], color=colour, linewidth=1.8)
    ax.plot(
        row["estimate"], line, "o", color=colour, markersize=6.5,
        markerfacecolor=colour if row["shown"] else "white",
    )  # fmt: skip


def _broken(title: str) -> str:
    """Break a title into two lines of about the same length."""
    words = title.split()
    ends = [len(" ".join(words[:i])) for i in range(1, len(words))]
    cut = 1 + int(np.argmin([abs(end - len(title) / 2) for end in ends]))
    return " ".join(words[:cut]) + "\n" + " ".join(words[cut:])


def moves(read: pd.DataFrame, layers: Sequence[str]) -> Drawing:
    """Draw what the two moves do to the nearest examples and to predictions."""
    figure, axes = subplots(1, len(layers), size=(4.6, 2.9), sharey=True, sharex=True)
    data = []
    for ax, layer in zip(axes[0], layers, strict=True):
        for shift, move, colour in ((-0.13, AUTOENCODER, _VERMILION), (0.13, NOISE, _GREY)):
            own = read[(read["layer"] == layer) & (read["move"] == move)]
            for i, column in enumerate(READ):
                band = bootstrap(100 * own[column].to_numpy(float))
                ax.plot([band.low, band.high], [i + shift] * 2, color=colour, linewidth=2)
                ax.plot(
                    band.estimate, i + shift, "o", color=colour,
                    label={AUTOENCODER: "autoencoder", NOISE: "noise of equal length"}[move]
                    if i == 0 else None,
                )  # fmt: skip
                data.append(
                    {"layer": layer, "move": move, "measure": column, "estimate": band.estimate,
                     "low": band.low, "high": band.high, "n": len(own)}
                )  # fmt: skip
        ax.set_title(layer, loc="left", fontsize=11)
        ax.set_xlabel("% of the moves", fontsize=9)
        ax.set_xlim(-2, 102)
        name_lines(ax, list(READ.values()), size=9)
    axes[0, -1].legend(fontsize=9, loc="lower right")
    return Drawing(
        "moves",
        figure,
        pd.DataFrame(data),
        f"What a move does to a representation of the reference classifier, {data[0]['n']} images: "
        "whether the training example nearest to it stays the same, whether the nearest one is of "
        "another class than before, and whether the classifier predicts another class from it. "
        "95% intervals over images.",
    )
