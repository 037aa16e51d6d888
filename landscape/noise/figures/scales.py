"""Dose and response: what the scale of the noise in the classifier does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

from core.report.drawing import Drawing, plain_ticks
from core.report.figures import subplots
from landscape.noise.analysis import LEAD, Analysis
from landscape.noise.claims import curve_claim
from landscape.noise.figures.styles import COLORS
from landscape.noise.recipes import CLASSIFIER, KINDS

_ASPECTS: tuple[dict[str, Any], ...] = (
    {"raw": "success", "equal": None, "title": "fools its own\nclassifier", "unit": "points more",
     "scale": 100.0},
    {"raw": "true_loss", "equal": None, "title": "loss of the\ntrue class", "unit": "nats more",
     "scale": 1.0},
    {"raw": "flat", "equal": None, "title": "rise under\nnoise", "unit": "times", "scale": 1.0},
    {"raw": None, "equal": "flat_same", "title": "rise under noise\nat equal loss",
     "unit": "times", "scale": 1.0},
    {"raw": "transfer", "equal": "transfer_same", "title": "fools other\nclassifiers",
     "unit": "points more", "scale": 100.0},
)  # fmt: skip
RAW, EQUAL = "#8A8A8A", COLORS[CLASSIFIER]


def scales(analysis: Analysis, labels: Mapping[str, str], budget: str) -> Drawing | None:
    """Draw success, loss, flatness and transfer over the scale of the noise, for each kind."""
    curves = {kind: curve for kind, curve in analysis.curves.items() if len(curve) > 1}
    if not curves:
        return None
    aspects = [
        a for a in _ASPECTS if any((a["raw"] or a["equal"]) in curve for curve in curves.values())
    ]
    figure, axes = subplots(
        len(aspects), len(curves), size=(max(3.6, 7.5 / len(curves)), 1.95), sharex="col",
        sharey="row",
    )  # fmt: skip
    for row, aspect in zip(axes, aspects, strict=True):
        for ax, curve in zip(row, curves.values(), strict=True):
            _aspect(ax, curve, aspect)
            _last_point(ax, analysis, aspect)
        row[0].set_ylabel(f"{aspect['title']}\n({aspect['unit']})", fontsize=11)
    for ax, (kind, curve) in zip(axes[0], curves.items(), strict=True):
        name = KINDS.get(kind, kind)
        ax.set_title(name[0].upper() + name[1:], fontsize=12.5)
        ax.set_xscale("log")
        plain_ticks(ax.xaxis, FixedLocator(sorted(curve["scale"])))
        ax.xaxis.set_minor_locator(NullLocator())
    for ax, kind in zip(axes[-1], curves, strict=True):
        ax.set_xlabel(
            "share of dropped weights" if kind == "dropout" else "noise relative to the weights",
            fontsize=11,
        )
    handles = [
        Line2D([], [], color=RAW, marker="o", linewidth=2, label="on the same images"),
        Line2D([], [], color=EQUAL, marker="s", linewidth=2,
               label="on the same images at equal loss"),
        Line2D([], [], color="#222222", linewidth=1, label="no noise"),
    ]  # fmt: skip
    if analysis.last is not None:
        handles.append(
            Line2D([], [], color=EQUAL, linewidth=1.4, linestyle="--",
                   label="no noise, last point kept")
        )  # fmt: skip
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles) if len(curves) > 1 else 1,
        fontsize=11,
    )
    figure.suptitle(
        "What the scale of the noise in the classifier does", fontsize=14,
        fontweight="bold", x=0.01, ha="left",
    )  # fmt: skip
    return Drawing(
        "scales",
        figure,
        pd.concat([c.assign(noisy=k) for k, c in curves.items()], ignore_index=True),
        "Every gradient taken with a fresh noisy classifier, compared with the same recipe without "
        f"noise ({labels[analysis.reference]}, {budget}; the line), over the scale of the noise. "
        "Grey: on the same images, as they are. Colour: on the same images, where both examples "
        "have nearly the same loss; dashed: what keeping the last point does there, without any "
        "noise. Bands: pointwise 95 % intervals; a large marker: significant "
        "after Holm's correction over the scales (and, at equal loss, measures). The curve at "
        "equal loss ends where too few images reach the loss of the recipe without noise.",
    )


def _last_point(ax: Axes, analysis: Analysis, aspect: dict[str, Any]) -> None:
    """Draw what keeping the last point alone does at equal loss."""
    measure = {"flat_same": LEAD, "transfer_same": "transfer"}.get(aspect["equal"] or "")
    row = (
        None if measure is None or analysis.last is None else analysis.equal(analysis.last, measure)
    )
    if row is not None and np.isfinite(row["estimate"]):
        ax.axhline(aspect["scale"] * row["estimate"], color=EQUAL, linewidth=1.4, linestyle="--")


def _aspect(ax: Axes, curve: pd.DataFrame, aspect: dict[str, Any]) -> None:
    effect = f"{aspect['raw'] or aspect['equal']}_effect"
    ratio = effect in curve and not curve[effect].isin(["difference"]).any()
    ax.axhline(1 if ratio else 0, color="#222222", linewidth=1)
    for key, color, marker in ((aspect["raw"], RAW, "o"), (aspect["equal"], EQUAL, "s")):
        if key is None or key not in curve:
            continue
        x = curve["scale"].to_numpy(float)
        middle, low, high = (
            aspect["scale"] * curve[f"{key}{end}"].to_numpy(float) for end in ("", "_low", "_high")
        )
        known = np.isfinite(middle)
        ax.fill_between(x[known], low[known], high[known], color=color, alpha=0.22, linewidth=0)
        ax.plot(x[known], middle[known], color=color, marker=marker, markersize=3.5, linewidth=2)
        sure = np.array([bool(curve_claim(row, key)) for _, row in curve.iterrows()])
        ax.plot(x[sure], middle[sure], marker, color=color, markersize=8)
    ax.tick_params(labelsize=10.5)
    if ratio:
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        few = MaxNLocator(4, steps=[1, 2, 5, 10])
        plain_ticks(ax.yaxis, few if high < 6 * low else LogLocator(numticks=6))
    else:
        ax.yaxis.set_major_locator(MaxNLocator(4))
