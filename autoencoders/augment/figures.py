"""The figures of a study of augmentation, drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

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
_MOVES = {AUTOENCODER: "autoencoder", NOISE: "noise of equal length"}
READ = {
    "same": "nearest example stays the same",
    "class_changed": "class of the nearest one changes",
    "prediction_changed": "prediction changes",
}
ACROSS = 3


def differences(found: pd.DataFrame, layers: Sequence[str]) -> Drawing:
    """Draw every difference between ways of training, a panel per layer and measure."""
    rows = found[found["seeds"] > 0]
    measures = list(dict.fromkeys(rows["measure"]))
    down = -(-len(measures) // ACROSS)
    figure, axes = subplots(len(layers) * down, ACROSS, size=(3.1, 1.75), sharey=True)
    blocks = axes.reshape(len(layers), down * ACROSS)
    for block, layer in zip(blocks, layers, strict=True):
        for ax, measure in zip(block, measures, strict=False):
            own = rows[(rows["layer"] == layer) & (rows["measure"] == measure)]
            for i, pair in enumerate(COMPARED):
                row = own[(own["first"] == pair[0]) & (own["second"] == pair[1])].iloc[0]
                _difference(ax, i, row, COLOURS[pair])
            ax.axvline(0, color="0.35", linewidth=1)
            ax.set_title(f"{layer}: {row['title']}", loc="left", fontsize=8.5)
            ax.set_xlabel(row["unit"], fontsize=8.5)
            name_lines(ax, [LINES[pair] for pair in COMPARED], size=8.5)
    for i in range(len(measures)):
        _same_scale(blocks[:, i])
    for block in blocks:
        for ax in block[len(measures) :]:
            figure.delaxes(ax)
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


def _same_scale(axes: Iterable[Axes]) -> None:
    """Give the panels of one measure one axis, with some room at its ends."""
    axes = list(axes)
    ends = np.array([ax.dataLim.intervalx for ax in axes])
    low, high = min(ends[:, 0].min(), 0.0), max(ends[:, 1].max(), 0.0)
    room = 0.06 * (high - low) or 1.0
    for ax in axes:
        ax.set_xlim(low - room, high + room)
        ax.xaxis.set_major_locator(MaxNLocator(5))


def _difference(ax: Axes, line: int, row: pd.Series, colour: str) -> None:
    each = np.asarray(row["each"], float)
    ax.plot(each, line + 0.24 + np.zeros(len(each)), ".", color=colour, markersize=4, alpha=0.6)
    ax.plot([row["low"], row["high"]], [line, line], color=colour, linewidth=1.8)
    ax.plot(
        row["estimate"], line, "o", color=colour, markersize=6.5,
        markerfacecolor=colour if row["shown"] else "white",
    )  # fmt: skip


def moves(read: pd.DataFrame, layers: Sequence[str]) -> Drawing:
    """Draw what the two moves do to the nearest examples and to predictions."""
    figure, axes = subplots(1, len(READ), size=(3.3, 1.2 + 0.55 * len(layers)), sharey=True)
    data = []
    for ax, (column, title) in zip(axes[0], READ.items(), strict=True):
        for i, layer in enumerate(layers):
            for shift, move, colour in ((-0.13, AUTOENCODER, _VERMILION), (0.13, NOISE, _GREY)):
                own = read[(read["layer"] == layer) & (read["move"] == move)]
                band = bootstrap(100 * own[column].to_numpy(float))
                ax.plot([band.low, band.high], [i + shift] * 2, color=colour, linewidth=2)
                ax.plot(
                    band.estimate, i + shift, "o", color=colour, label=_MOVES[move], clip_on=False
                )
                data.append(
                    {"layer": layer, "move": move, "measure": column, "estimate": band.estimate,
                     "low": band.low, "high": band.high, "n": len(own)}
                )  # fmt: skip
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_xlabel("% of the moves", fontsize=9)
        ax.set_xlim(left=0)
        name_lines(ax, layers, size=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles[:2], labels[:2], fontsize=9, loc="outside lower center", ncols=2,
    )  # fmt: skip
    return Drawing(
        "moves",
        figure,
        pd.DataFrame(data),
        f"What a move does to a representation of the reference classifier, {data[0]['n']} images: "
        "whether the training example nearest to it stays the same, whether the nearest one is of "
        "another class than before, and whether the classifier predicts another class from it. "
        "95% intervals over images.",
    )
