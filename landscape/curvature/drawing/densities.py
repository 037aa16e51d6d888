"""The spectral density of a smooth network's input Hessian, group by group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.report.drawing import Drawing, remove_unused
from core.report.figures import subplots
from core.report.versions import GENUINE
from core.statistics import bootstrap
from landscape.columns import curves
from landscape.curvature.drawing.columns import label_columns
from landscape.figures.groups import Groups, counted, label_below

FLOOR = 1e-2
"""Lowest density that is shown."""


def densities(table: pd.DataFrame, groups: Groups, *, seed: int = 0) -> Drawing:
    """Draw the density of eigenvalues over the largest one's magnitude: medians over examples.

    Args:
        table: of the study; columns `density@-1` to `density@1`.
        groups: in the order of the report.
        seed: of the bootstrap.
    """
    names = list(groups.labels)
    across = min(3, len(names))
    figure, axes = subplots(
        -(-len(names) // across), across, size=(9.5 / across, 2.6), sharex=True, sharey=True
    )
    data = []
    medians = {}
    for group in names:
        places, values = curves(counted(table, group), "density")
        values = values[np.isfinite(values).all(1)]
        if len(values) < 2:
            continue
        middle = bootstrap(values, np.median, seed=seed, method="percentile", resamples=500)
        medians[group] = (places, middle, len(values))
        data.append(
            pd.DataFrame({"group": group, "place": places, "n": len(values),
                          "median": middle.estimate, "low": middle.low, "high": middle.high})
        )  # fmt: skip
    drawn = pd.concat(data, ignore_index=True) if data else pd.DataFrame({"high": [1.0]})
    top = float(drawn["high"].max())
    left = -1.1
    if "place" in drawn:
        left = min(float(drawn.loc[drawn["high"] > FLOOR, "place"].min()) - 0.05, -0.1)
    for ax, group in zip(axes.flat, names, strict=False):
        ax.set_title(groups.labels[group], loc="left", fontsize=10)
        ax.axvline(0, color="0.35", linewidth=1)
        if group not in medians:
            ax.text(0.5, 0.5, "too few examples", transform=ax.transAxes, ha="center")
            continue
        places, middle, n = medians[group]
        look = groups.look(group)
        ax.fill_between(places, middle.low, middle.high, color=look.color, alpha=0.3, linewidth=0)
        ax.plot(places, middle.estimate, color=look.color, linewidth=1.8, label=f"n = {n}")
        if group != GENUINE and GENUINE in medians:
            ax.plot(places, medians[GENUINE][1].estimate, color=groups.look(GENUINE).color,
                    linestyle="--", linewidth=1.2, label="genuine")  # fmt: skip
        ax.legend(fontsize=8, loc="upper right", frameon=False)
    remove_unused(figure, axes, len(names))
    label_columns(axes, len(names))
    for ax in figure.axes:
        ax.set_yscale("log")
        ax.set_ylim(FLOOR, 2 * top)
        ax.set_xlim(left, 1.1)
        ax.tick_params(labelsize=8)
    label_below(figure, "eigenvalue over the largest in magnitude")
    figure.supylabel("density", fontsize=10)
    return Drawing(
        "densities",
        figure,
        drawn,
        "Where the eigenvalues of the whole input Hessian lie: their density, by Lanczos "
        "quadrature from random directions, on each example's own scale (1 is its largest "
        "eigenvalue in magnitude; the Gaussian that smooths has a width of 0.04). Medians over the "
        "examples with their 95 % bootstrap bands; dashed: the genuine images. Left of 0 the loss "
        "bends down.",
    )
