"""The average landscape on lines through many examples, by kind of direction and group."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from core.report.drawing import Drawing
from core.report.figures import subplots
from core.report.versions import GENUINE
from landscape.figures import Groups
from landscape.slices.kinds import SHORT

_ROWS = {
    "loss": ("loss, median", "nats"),
    "margin": ("margin, mean", "logits"),
    "kept": ("label kept", "%"),
}


def average_lines(summary: pd.DataFrame, kinds: Sequence[str], groups: Groups) -> Drawing:
    """Draw loss, margin and the share of labels kept against the signed distance."""
    figure, axes = subplots(3, len(kinds), size=(9.5 / len(kinds), 2.35), sharex=True, sharey="row")
    for column, kind in enumerate(kinds):
        for row, name in enumerate(_ROWS):
            ax = axes[row, column]
            ax.axvline(0, color="0.7", linewidth=0.8, zorder=1)
            if name == "margin":
                ax.axhline(0, color="0.4", linewidth=0.8, zorder=1)
            for group, label in groups.labels.items():
                rows = summary[(summary["kind"] == kind) & (summary["group"] == group)]
                if len(rows):
                    _line(ax, rows, name, groups, group, label)
            ax.tick_params(labelsize=9)
            ax.grid(True, axis="both", color="0.93")
        axes[0, column].set_title(SHORT[kind], fontsize=11)
    losses = summary.loc[summary["loss_low"] > 0, "loss_low"] if len(summary) else pd.Series()
    if len(losses) and summary["loss"].max() > 100 * losses.min():
        axes[0, 0].set_yscale("log")
        axes[0, 0].set_ylim(bottom=float(losses.min()) / 2)
    for row, (title, unit) in enumerate(_ROWS.values()):
        axes[row, 0].set_ylabel(f"{title}\n({unit})", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=10)
    figure.supxlabel("signed l2 distance from the image (input units)", fontsize=11)
    return Drawing(
        "lines",
        figure,
        summary,
        "The landscape along lines through many images: median loss, mean margin (below 0 another "
        "class leads) and the share that keeps the label, with 95 % bands. To the right the loss "
        "rises along gradient and eigenvector, and the twin lies there, of the images that have "
        "one. Dotted: the share of genuine points that are images at all, all pixels in [0, 1].",
    )


def _line(ax: Axes, rows: pd.DataFrame, name: str, groups: Groups, group: str, label: str) -> None:
    look, scale = groups.look(group), 100 if name == "kept" else 1
    at = rows["distance"].to_numpy(float)
    low, middle, high = (
        scale * rows[c].to_numpy(float) for c in (f"{name}_low", name, f"{name}_high")
    )
    ax.fill_between(at, low, high, color=look.color, alpha=0.18, linewidth=0, zorder=2)
    ax.plot(at, middle, color=look.color, marker=look.marker, markersize=4, linewidth=1.6,
            markevery=max(1, len(at) // 5), label=label, zorder=3)  # fmt: skip
    if name == "kept" and group == GENUINE:
        ax.plot(at, 100 * rows["inside"].to_numpy(float), color="0.35", linestyle=":",
                linewidth=1.2, zorder=2)  # fmt: skip
        ax.set_ylim(-4, 104)
