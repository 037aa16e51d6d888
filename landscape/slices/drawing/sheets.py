"""Many planes side by side: a row per example, a column per kind of plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.report.drawing import Drawing
from landscape.slices.drawing.looks import Look
from landscape.slices.drawing.panels import label_panel, loss_panel, picture_panel, points
from landscape.slices.drawing.scales import loss_scale
from landscape.slices.drawing.triptych import colour_bar
from landscape.slices.kinds import TITLES
from landscape.slices.views import View


@dataclass(frozen=True)
class Row:
    """One example of a sheet.

    Attributes:
        image: `(c, h, w)` in [0, 1].
        title: its class, and what it is taken for.
        look: of the classes on its planes.
        views: kind of plane -> what is seen there.
    """

    image: np.ndarray
    title: str
    look: Look
    views: Mapping[str, View]


# Inches: a panel's side, the gaps to the right and below, and the picture of the example.
_SIDE, _RIGHT, _UNDER, _PICTURE = 1.75, 0.42, 0.42, 1.15


def label_sheet(rows: Sequence[Row], kinds: Sequence[str]) -> Drawing:
    """Draw the label regions of every plane of every example."""
    figure, panels = _grid(rows, kinds, below=0.1)
    data = []
    for i, row in enumerate(rows):
        for kind, view in row.views.items():
            ax = panels[i].get(kind)
            if ax is None:
                continue
            label_panel(ax, view, row.look, names=8)
            points(ax, view, size=0.7)
            for c, share in view.shares.items():
                data.append(
                    {
                        "example": row.title.replace("\n", " "),
                        "kind": kind,
                        "class": row.look.name(c),
                        "share": share,
                    }
                )
    return Drawing(
        "label_sheet",
        figure,
        pd.DataFrame(data),
        "Predicted classes on planes through several images. Blue is the image's own class, orange "
        "the one that its adversarial twin is taken for, the others as named; paler is less sure. "
        "Circle: the image; diamond: its twin, hollow where it lies off the plane, projected; "
        "square: another image. Dashed: the box of valid images, hatched outside it. Axes: l2 "
        "distance in input units. The table has the share of each class on each plane.",
    )


def loss_sheet(rows: Sequence[Row], kinds: Sequence[str]) -> Drawing:
    """Draw the loss on every plane of every example, all on one scale."""
    figure, panels = _grid(rows, kinds, below=0.8)
    scale = loss_scale([v.loss for row in rows for k, v in row.views.items() if k in kinds])
    filled, data = None, []
    for i, row in enumerate(rows):
        for kind, view in row.views.items():
            ax = panels[i].get(kind)
            if ax is None:
                continue
            filled = loss_panel(ax, view, scale)
            points(ax, view, size=0.7)
            low, middle, high = np.quantile(view.loss, [0, 0.5, 1])
            data.append({"example": row.title.replace("\n", " "), "kind": kind, "least loss": low,
                         "median loss": middle, "largest loss": high})  # fmt: skip
    if filled is not None:
        width, height = figure.get_size_inches()
        place = figure.add_axes((_PICTURE / width + 0.06, 0.52 / height, 0.55, 0.12 / height))
        colour_bar(
            figure.colorbar(filled, cax=place, orientation="horizontal"), scale, "loss (nats)"
        )
    return Drawing(
        "loss_sheet",
        figure,
        pd.DataFrame(data),
        "Loss of each image's own class on the planes of the previous figure, all panels on one "
        "scale. White: boundaries between predicted classes.",
    )


def _grid(
    rows: Sequence[Row], kinds: Sequence[str], *, below: float
) -> tuple[Figure, list[dict[str, Axes]]]:
    """Return a figure with the pictures of the examples and an empty panel for each plane."""
    left, top, bottom = _PICTURE + 0.6, 0.62, below
    width = left + len(kinds) * (_SIDE + _RIGHT)
    height = top + len(rows) * (_SIDE + _UNDER) + bottom
    figure = Figure(figsize=(width, height))
    panels: list[dict[str, Axes]] = []
    for i, row in enumerate(rows):
        y = height - top - _SIDE - i * (_SIDE + _UNDER)
        ax = figure.add_axes(
            (0.12 / width, (y + (_SIDE - _PICTURE) / 2) / height, _PICTURE / width,
             _PICTURE / height)
        )  # fmt: skip
        picture_panel(ax, row.image)
        ax.set_title(row.title, fontsize=8.5, loc="left", fontweight="normal", pad=4)
        own: dict[str, Axes] = {}
        for j, kind in enumerate(kinds):
            if kind not in row.views:
                continue
            x = left + j * (_SIDE + _RIGHT)
            own[kind] = figure.add_axes((x / width, y / height, _SIDE / width, _SIDE / height))
            own[kind].tick_params(labelsize=8, length=2.5, pad=2)
            own[kind].locator_params(nbins=4)
        panels.append(own)
    for j, kind in enumerate(kinds):
        x = left + j * (_SIDE + _RIGHT)
        title = TITLES[kind].replace(" and ", "\nand ")
        figure.text(
            x / width, 1 - 0.12 / height, title, fontsize=10, fontweight="bold", va="top"
        )  # fmt: skip
    return figure, panels
