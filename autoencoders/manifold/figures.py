"""The figures of a study on the manifold, drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from autoencoders.manifold import groups
from autoencoders.manifold.analysis import TYPICAL, looked_at, median
from core.report.drawing import Drawing, aside, name_lines
from core.report.figures import subplots
from core.report.groups import GroupStyle
from core.report.versions import GENUINE

SHOWN = 200
"""Points of a group that are drawn, evenly chosen."""
COLUMNS = ("id", "number", "group", "z", "own_z", "residual", "latent_l2", "l2", "linf")


def off_the_manifold(
    table: pd.DataFrame,
    labels: Mapping[str, str],
    numbers: Sequence[int],
    styles: Mapping[str, GroupStyle],
) -> Drawing:
    """Draw both distances of every example, a line per group, with the groups' medians."""
    names = list(labels)
    figure, (axes,) = subplots(1, 2, size=(5.2, 1.3 + 0.36 * len(names)), sharey=True)
    shown = pd.concat([looked_at(table, g, n) for g in names for n in numbers])
    titles = (("z", "error of a second autoencoder"), ("residual", "residual off the local flat"))
    for ax, (column, title) in zip(axes, titles, strict=True):
        for line, group in enumerate(names):
            rows = shown[shown["group"] == group]
            _strip(ax, line, rows[column].to_numpy(float), styles[group])
            for number in numbers:
                band = median(rows[rows["number"] == number][column].to_numpy(float))
                at = line + (
                    0.0 if len(numbers) == 1 else 0.36 * (number / (len(numbers) - 1) - 0.5)
                )
                ax.plot([band.low, band.high], [at, at], color="black", linewidth=1.6, zorder=3)
                ax.plot(band.estimate, at, "o", color="white", markeredgecolor="black",
                        markersize=5.5, zorder=4)  # fmt: skip
        ax.set_title(title, fontsize=11)
        name_lines(ax, [labels[name] for name in names], size=10)
    axes[0].axvline(TYPICAL, color="0.35", linestyle=":", linewidth=1.2)
    axes[1].axvline(1, color="0.35", linestyle=":", linewidth=1.2)
    axes[0].set_xlabel("z-score among genuine images", fontsize=10)
    axes[1].set_xlabel("multiple of the genuine median", fontsize=10)
    return Drawing(
        "off_the_manifold",
        figure,
        shown[list(COLUMNS)],
        "How far off the manifold every example is: the logarithm of the reconstruction error of "
        "an autoencoder that no attack has used, standardised by genuine images (left; dotted: 2), "
        "and the distance to the flat of the nearest training images (right; dotted: the median of "
        "genuine images). A dot per fooled example, medians with 95% intervals, one per "
        "autoencoder searched with. Of noise, one per example of the search.",
    )


def lengths(
    table: pd.DataFrame,
    labels: Mapping[str, str],
    numbers: Sequence[int],
    styles: Mapping[str, GroupStyle],
) -> Drawing:
    """Draw how far examples moved against how far off they are, in pixels and in the latent."""
    left_out = (GENUINE, groups.RECONSTRUCTION, groups.NOISY_SEARCH)
    names = [name for name in labels if name not in left_out]
    figure, (axes,) = subplots(1, 2, size=(5.2, 3.9), sharey=True)
    shown = pd.concat([looked_at(table, g, n) for g in names for n in numbers])
    for ax, column, title in zip(
        axes, ("l2", "latent_l2"), ("moved in the pixels", "moved in the latent"), strict=True
    ):
        for group in names:
            rows = shown[shown["group"] == group]
            rows = rows.iloc[_some(len(rows))]
            ax.plot(
                rows[column], rows["residual"], styles[group].marker, color=styles[group].color,
                markersize=3.5, alpha=0.45, markeredgewidth=0, label=labels[group],
            )  # fmt: skip
        ax.set_title(title, fontsize=11)
        ax.tick_params(labelsize=9)
        ax.axhline(1, color="0.35", linestyle=":", linewidth=1.2)
    axes[0].set_ylabel("residual off the local flat", fontsize=10)
    axes[0].set_xlabel("l2, input units", fontsize=10)
    axes[1].set_xlabel("l2 of the encodings, in units of their spread", fontsize=10)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9,
        markerscale=2,
    )  # fmt: skip
    return Drawing(
        "lengths",
        figure,
        shown[list(COLUMNS)],
        "How far examples were moved, in l2 of the pixels (left) and of the encodings (right), and "
        "how far off the flat of the nearest training images they ended. A dot per fooled example; "
        "the search with noisy classifiers is left out.",
    )


def _strip(ax: Axes, line: int, values: np.ndarray, style: GroupStyle) -> None:
    """Draw values as a strip of dots."""
    some = values[_some(len(values))]
    ax.plot(
        some, line + aside(len(some), 0.62), style.marker, color=style.color, markersize=3,
        alpha=0.4, markeredgewidth=0,
    )  # fmt: skip


def _some(count: int) -> np.ndarray:
    places = np.linspace(0, max(count - 1, 0), min(count, SHOWN))
    return np.unique(places.astype(int))
