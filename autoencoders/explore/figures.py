"""The figures of a study of latent spaces, drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from autoencoders.explore.comparing import twins
from autoencoders.explore.measuring import BASELINE, DETECTORS
from autoencoders.latents.plane import plane_of
from core.report.drawing import Drawing, name_lines, remove_unused
from core.report.figures import subplots
from core.report.groups import group_styles
from core.report.versions import GENUINE

MOST_POINTS = 1500
"""Training latents that are drawn."""
FLOOR = 1e-12
"""Of quantities drawn on a logarithmic axis; smaller ones are drawn there."""
LOGARITHMIC = (BASELINE, "change")
SHORT = {BASELINE: "uncertainty", **DETECTORS}


def where(
    table: pd.DataFrame,
    train: pd.DataFrame,
    name: str,
    labels: Mapping[str, str],
    class_names: Sequence[str],
) -> Drawing:
    """Draw where the groups lie in one latent space, in the plane that parts its classes."""
    points = np.stack(train["z"].tolist()).astype(float)
    own = train["label"].to_numpy()
    plane = plane_of(points, own)
    cloud = plane(
        points[np.linspace(0, len(points) - 1, min(MOST_POINTS, len(points))).astype(int)]
    )
    centres = {int(k): plane(points[own == k]).mean(0) for k in np.unique(own)}
    groups = {GENUINE: GENUINE, **labels}
    looks = group_styles(list(groups.values()))
    across = min(3, len(groups))
    figure, axes = subplots(
        -(-len(groups) // across), across, size=(3.3, 3.1), sharex=True, sharey=True
    )
    rows = table[table["name"] == name]
    data = []
    for ax, (group, title) in zip(axes.flat, groups.items(), strict=False):
        ours, genuine = _rows_of(rows, group)
        here, before = (
            (plane(np.stack(r["z"].tolist())) for r in (ours, genuine))
            if len(ours)
            else (np.empty((0, 2)), np.empty((0, 2)))
        )
        ax.plot(*cloud.T, ".", color="0.8", markersize=2, zorder=1, rasterized=True)
        for k, centre in centres.items():
            ax.annotate(
                str(class_names[k])[:12], centre, fontsize=8, ha="center", va="center",
                color="0.15", fontweight="bold", zorder=4,
            )  # fmt: skip
        look = looks[title]
        if group != GENUINE:
            segments = np.stack([before, here], 1)
            ax.add_collection(
                LineCollection(
                    list(segments[:60]), colors=look.color, alpha=0.25, linewidths=0.7, zorder=2
                )
            )
        ax.plot(*here.T, look.marker, color=look.color, markersize=3, alpha=0.7,
                markeredgewidth=0, linestyle="none", zorder=3)  # fmt: skip
        ax.set_title(f"{title} (n = {len(here)})", loc="left", fontsize=9)
        ax.tick_params(labelsize=7)
        ax.grid(False)
        data.append(pd.DataFrame(
            {"group": group, "id": ours.index, "x": here[:, 0], "y": here[:, 1]}
        ))  # fmt: skip
    remove_unused(figure, axes, len(groups))
    return Drawing(
        f"where-{name}",
        figure,
        pd.concat(data, ignore_index=True),
        f"{name}: where each group lies in the plane of the first two {plane.kind} of the training "
        "latents (grey, with the names of the classes at their means). Of a group the examples "
        "that succeeded, a thin line from the genuine image that each was made from (60 of them). "
        "The plane is chosen to part the classes: what leaves the cloud at right angles to it is "
        "not seen here, but in the density.",
    )


def spread(table: pd.DataFrame, names: Sequence[str], labels: Mapping[str, str]) -> Drawing:
    """Draw how the detectors are distributed in every group and latent space."""
    groups = {GENUINE: GENUINE, **labels}
    looks = group_styles(list(groups.values()))
    columns = [BASELINE, *DETECTORS]
    figure, axes = subplots(
        len(names), len(columns), size=(2.6, 0.75 + 0.2 * len(groups)), sharey=True, sharex=False
    )
    data = []
    for line, name in zip(axes, names, strict=True):
        rows = table[table["name"] == name]
        for ax, column in zip(line, columns, strict=True):
            for place, group in enumerate(groups):
                values = _rows_of(rows, group)[0][column].to_numpy(float)
                if column in LOGARITHMIC:
                    values = np.maximum(values, FLOOR)
                quantiles = (
                    np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
                    if len(values)
                    else np.full(5, np.nan)
                )
                look = looks[groups[group]]
                ax.plot(quantiles[[0, 4]], [place] * 2, color=look.color, linewidth=1)
                ax.plot(quantiles[[1, 3]], [place] * 2, color=look.color, linewidth=4,
                        solid_capstyle="butt")  # fmt: skip
                ax.plot(quantiles[2], place, look.marker, color="white",
                        markeredgecolor=look.color, markersize=5)  # fmt: skip
                data.append({"name": name, "group": group, "detector": column, "n": len(values),
                             **dict(zip(("q5", "q25", "median", "q75", "q95"), quantiles,
                                        strict=True))})  # fmt: skip
            if column in LOGARITHMIC:
                ax.set_xscale("log")
            ax.tick_params(axis="x", labelsize=7)
            if name == names[0]:
                ax.set_title(SHORT[column], loc="left", fontsize=9)
        name_lines(line[0], list(groups.values()), size=8)
        line[0].set_ylabel(name, fontsize=9)
        for ax in line[1:]:
            ax.grid(True, axis="x")
            ax.grid(False, axis="y")
    return Drawing(
        "spread",
        figure,
        pd.DataFrame(data),
        "Each detector in each group: median, middle half and middle nine tenths; of a group the "
        "examples that succeeded. Uncertainty: minus the log probability of the predicted class, "
        "in nats (the same for all autoencoders). Reconstruction error: l2, in the layer's units. "
        "Minus log density of the latent, in nats. Prediction change: Jensen-Shannon divergence in "
        "nats, at most log 2; uncertainty and change are on logarithmic axes.",
    )


def detectors(areas: pd.DataFrame, names: Sequence[str], labels: Mapping[str, str]) -> Drawing:
    """Draw the AUC of every detector for every group, beside the baseline."""
    lines = [("", BASELINE), *((name, detector) for name in names for detector in DETECTORS)]
    groups = [g for g in labels if (areas["group"] == g).any()]
    looks = group_styles([GENUINE, *labels.values()])
    across = min(3, len(groups))
    figure, axes = subplots(
        -(-len(groups) // across), across, size=(3.4, 0.9 + 0.23 * len(lines)), sharey=True,
        sharex=True,
    )  # fmt: skip
    for ax, group in zip(axes.flat, groups, strict=False):
        own = areas[areas["group"] == group].to_dict("records")
        rows = {(str(row["name"]), str(row["detector"])): row for row in own}
        look = looks[labels[group]]
        base = rows["", BASELINE]
        ax.axvline(0.5, color="0.35", linewidth=1)
        if np.isfinite(base["auc"]):
            ax.axvspan(base["auc_low"], base["auc_high"], color="0.9", zorder=0)
        for place, key in enumerate(lines):
            row = rows[key]
            if not np.isfinite(row["auc"]):
                continue
            ax.plot([row["auc_low"], row["auc_high"]], [place] * 2, color=look.color, linewidth=1.6)
            ax.plot(row["auc"], place, look.marker, color=look.color, markersize=6,
                    markerfacecolor=look.color if row["claim"] else "white")  # fmt: skip
            if np.isfinite(row.get("control", np.nan)):
                ax.plot(row["control"], place, "x", color="0.35", markersize=5)
        ax.set_xlim(-0.02, 1.02)
        ax.set_title(f"{fill(labels[group], 26)} (n = {int(base['n'])})", loc="left", fontsize=9)
        ax.tick_params(axis="x", labelsize=8)
        for edge in range(len(names)):
            ax.axhline(0.5 + edge * len(DETECTORS), color="0.75", linewidth=0.8)
    for ax in axes.flat[max(len(groups) - across, 0) : len(groups)]:
        ax.tick_params(axis="x", labelbottom=True)
    for ax in axes[:, 0]:
        name_lines(ax, [SHORT[d] if not n else f"{n}: {SHORT[d]}" for n, d in lines], size=8)
    for ax in axes.flat:
        ax.grid(True, axis="x")
        ax.grid(False, axis="y")
    remove_unused(figure, axes, len(groups))
    return Drawing(
        "detectors",
        figure,
        areas,
        "AUC of “larger than for a genuine image”, with 95 % intervals, paired with the genuine "
        "twins. Grey band: the classifier's uncertainty alone, the trivial detector. Filled: "
        "better than that (in its better direction), and above .5 at equal confidence where enough "
        "examples have a partner, after Holm's correction over the whole figure. Small cross: AUC "
        "against random noise of equal length, where there is such a control. n: examples that "
        "succeeded; groups with fewer than 20 are left empty.",
    )


def walks(around: pd.DataFrame, between: pd.DataFrame, names: Sequence[str]) -> Drawing:
    """Draw how predictions and density change away from examples, and between two of them."""
    figure, axes = subplots(len(names), 3, size=(3.2, 2.3), sharex="col", sharey="col")
    data = []
    ways = {"linear": ("#0072B2", "o"), "spherical": ("#D55E00", "s")}
    for (left, middle, right), name in zip(axes, names, strict=True):
        rows = around[around["name"] == name]
        shares = rows.pivot_table(index="scale", columns="id", values="kept", aggfunc="mean")
        mean = shares.mean(axis=1)
        error = 1.96 * shares.std(axis=1, ddof=1) / np.sqrt(shares.shape[1])
        left.errorbar(range(len(mean)), mean, error, color="#222222", marker="o", markersize=5,
                      linewidth=1.6)  # fmt: skip
        left.set_xticks(range(len(mean)), [f"{scale:g}" for scale in mean.index])
        data += [{"name": name, "what": "kept", "at": scale, "value": value}
                 for scale, value in mean.items()]  # fmt: skip
        for way, (colour, marker) in ways.items():
            own = between[(between["name"] == name) & (between["way"] == way)]
            ends = own.groupby("share")["ends"].mean()
            middle.plot(ends.index, ends, color=colour, marker=marker, markersize=4, label=way,
                        linewidth=1.6)  # fmt: skip
            band = _quartiles(own)
            right.plot(band.index, band[0.5], color=colour, marker=marker, markersize=4,
                       linewidth=1.6)  # fmt: skip
            right.fill_between(band.index, band[0.25], band[0.75], color=colour, alpha=0.15,
                               linewidth=0)  # fmt: skip
            data += [{"name": name, "what": f"ends, {way}", "at": share, "value": value}
                     for share, value in ends.items()]  # fmt: skip
            data += [{"name": name, "what": f"log density, {way}", "at": share, "value": value}
                     for share, value in band[0.5].items()]  # fmt: skip
        left.set_ylabel(name, fontsize=9)
        for ax in (left, middle, right):
            ax.tick_params(labelsize=8)
    _titles(axes[0], ["class kept under noise", "class of one of the ends", "log density (nats)"])
    axes[0, 1].legend(fontsize=8, loc="lower left")
    _titles(axes[-1], ["noise, in deviations", "share of the way", "share of the way"], below=True)
    axes[0, 0].set_ylim(-0.03, 1.03)
    axes[0, 1].set_ylim(-0.03, 1.03)
    return Drawing(
        "walks",
        figure,
        pd.DataFrame(data),
        "Left: share of decoded latents that keep the predicted class under Gaussian noise, by its "
        "deviation in units of the latent's own (bars: 95 % intervals over examples). Middle: "
        "share of the points between two examples that the classifier takes for the class of one "
        "of them. Right: log density of the latents on the way, median and middle half.",
    )


def _quartiles(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the quartiles of the log density at each place on the way."""
    grouped = rows.groupby("share")["log_density"]
    return pd.DataFrame({q: grouped.quantile(q) for q in (0.25, 0.5, 0.75)})


def _titles(line: Sequence[Axes], texts: Sequence[str], below: bool = False) -> None:
    for ax, text in zip(line, texts, strict=True):
        if below:
            ax.set_xlabel(text, fontsize=9)
        else:
            ax.set_title(text, loc="left", fontsize=9)


def _rows_of(rows: pd.DataFrame, group: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of a group that are drawn, and their twins."""
    if group == GENUINE:
        genuine = rows[rows["group"] == GENUINE].set_index("id")
        return genuine, genuine
    return twins(rows, group)
