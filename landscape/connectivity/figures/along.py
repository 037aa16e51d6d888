"""The loss along the paths of one attack's pairs, kind by kind, before and after bending."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator

from core.report.drawing import Drawing
from core.report.figures import subplots
from landscape.connectivity.figures.looks import LOOKS, kinds_of
from landscape.connectivity.kinds import ADVERSARIAL, GENUINE, MIXED, NOISE, SAME_CLASS
from landscape.connectivity.ways import STRAIGHT

_NAMES = {
    GENUINE: "genuine-\ngenuine",
    MIXED: "genuine-\nadversarial",
    ADVERSARIAL: "adversarial-\nadversarial",
    SAME_CLASS: "same-class\ncontrol",
    NOISE: "noise\ncontrol",
}
_SHOWN = 50
"""Pairs whose own lines are drawn; median and band are over all."""


def along(
    pairs: pd.DataFrame, attack: str, label: str, ways: list[str], threshold: float
) -> Drawing:
    """Draw the loss along the paths of every kind of pair, one column for each way."""
    of_kind = kinds_of(pairs, attack)
    figure, axes = subplots(
        len(of_kind), len(ways), size=(8.4 / len(ways), 1.55), sharex=True, sharey=True
    )
    everything = np.concatenate([_curves(rows).ravel() for rows in of_kind.values()])
    floor = 10.0 ** np.floor(np.log10(max(np.quantile(everything, 0.05), 1e-9)))
    data = []
    for line, (kind, rows) in zip(axes, of_kind.items(), strict=True):
        for ax, way in zip(line, ways, strict=True):
            chosen = rows[rows["path"] == way]
            losses = _curves(chosen)
            at = np.linspace(0, 1, losses.shape[1])
            top = chosen[["loss_first", "loss_second"]].max(axis=1).to_numpy(float)
            allowed = float(np.median(top + threshold))
            low, middle, high = np.quantile(losses, [0.1, 0.5, 0.9], axis=0)
            colour = LOOKS[kind].color
            ax.plot(at, np.maximum(losses[:_SHOWN].T, floor), color=colour, alpha=0.22, lw=0.6)
            ax.fill_between(
                at, np.maximum(low, floor), np.maximum(high, floor), color=colour, alpha=0.2, lw=0
            )
            ax.plot(at, np.maximum(middle, floor), color="#222222", linewidth=1.6)
            ax.axhline(allowed, color="0.35", linestyle="--", linewidth=1)
            ax.set_yscale("log")
            connected = (chosen["barrier"] < threshold).mean()
            ax.text(
                0.985, 0.06, f"{100 * connected:.0f}% connected", transform=ax.transAxes,
                ha="right", fontsize=8,
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1},
            )  # fmt: skip
            data.append(
                pd.DataFrame(
                    {"kind": kind, "path": way, "place": at, "n": len(losses), "q10": low,
                     "median": middle, "q90": high, "allowed": allowed}
                )
            )  # fmt: skip
        line[0].set_ylabel(_NAMES.get(kind, kind), fontsize=9)
    for ax, way in zip(axes[0], ways, strict=True):
        ax.set_title("straight line" if way == STRAIGHT else way.replace("_", " "), fontsize=11)
    for ax in axes.flat:
        ax.tick_params(labelsize=8)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["first", "", "½", "", "second"])
    axes[0, 0].set_ylim(bottom=floor)
    axes[0, 0].yaxis.set_major_locator(LogLocator(numticks=6))
    figure.supylabel("loss of the pair's class (nats)", fontsize=11)
    figure.supxlabel("share of the path's length", fontsize=11)
    figure.suptitle(
        f"Loss along the paths, {label}", x=0.01, ha="left", fontsize=13, fontweight="bold"
    )
    return Drawing(
        f"along_{name_of(label)}",
        figure,
        pd.concat(data, ignore_index=True),
        f"The loss along paths between pairs, {label}. Thin: pairs (the first {_SHOWN}); black: "
        "the median over pairs; shade: from the 10th to the 90th percentile; dashed: what is "
        f"allowed, {threshold:g} nats above the larger end (the median over pairs). Losses below "
        f"{floor:.0e} are drawn there. Control pairs have no adversarial image; twins are an "
        "adversarial image and the genuine one it was made from, for the class the former is "
        "taken for.",
    )


def _curves(rows: pd.DataFrame) -> np.ndarray:
    """Return the losses along some paths, `(n, k)`."""
    return np.stack(rows["losses"].to_list()).astype(float)


def name_of(label: str) -> str:
    """Return a label as part of a file's name.

    >>> name_of("PGD linf 2/255")
    'pgd_linf_2_255'
    """
    return "".join(c if c.isalnum() else "_" for c in label.lower()).strip("_")
