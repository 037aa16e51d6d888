"""One plane in one figure: who wins where, the loss, the margin, and the images themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from core.errors import InputError
from core.report.figures import style
from landscape.slices.drawing.looks import Look, class_look, marks
from landscape.slices.drawing.panels import (
    INK,
    class_handles,
    label_panel,
    loss_panel,
    margin_panel,
    picture_panel,
    points,
)
from landscape.slices.drawing.scales import Scale, loss_scale, margin_scale
from landscape.slices.planes import PlaneSlice
from landscape.slices.views import View, view_of

# Inches: a panel's side, the room between two, and below them.
_SIDE, _GAP, _BELOW = 3.2, 0.7, 1.5


@dataclass(frozen=True)
class Picture:
    """An image that a plane passes through.

    Attributes:
        image: `(c, h, w)` in [0, 1].
        line: what is written below it, such as prediction and confidence.
        colour: of its frame, that of its predicted class.
    """

    image: np.ndarray
    line: str
    colour: str


def draw_plane(
    found: PlaneSlice,
    example: int = 0,
    *,
    class_names: Sequence[str] = (),
    axes: tuple[str, str] = ("first axis", "second axis"),
    title: str = "",
) -> Figure:
    """Draw the plane of one example: label regions, loss and margin, with its anchors.

    Args:
        found: of `plane` or `three_inputs`, with a classifier's loss.
        example: which of its examples.
        class_names: of all classes; else they are numbered.
        axes: what the axes are.
        title: of the figure.

    Returns:
        A figure; `figure.savefig("plane.png")` keeps it, and a notebook shows it.
    """
    view, own = view_of(found, example), reference_of(found, example)
    look = class_look(view.shares, class_names, first=[own])
    with style():
        return triptych(view, look, axes=axes, title=title, reference=look.name(own))


def reference_of(found: PlaneSlice, example: int) -> int:
    """Return the reference label of an example.

    Raises:
        InputError: the slice is of a plain function, which has no classes.
    """
    if found.seen.labels is None:
        raise InputError("found: a plain function has no classes; take the Loss of a classifier.")
    return int(found.seen.labels[example])


def triptych(
    view: View,
    look: Look,
    *,
    axes: tuple[str, str],
    title: str = "",
    reference: str = "the reference label",
    pictures: Mapping[str, Picture] | None = None,
    loss: Scale | None = None,
    margin: Scale | None = None,
) -> Figure:
    """Draw label regions, loss and margin of one plane side by side.

    Args:
        view: of a classifier.
        look: of the classes.
        axes: what the axes are.
        title: of the figure.
        reference: the label that loss and margin refer to, in words.
        pictures: the images that the plane passes through, by the names of the anchors.
        loss, margin: scales that are shared with other figures; by default the plane's own.
    """
    shown = pictures or {}
    assert view.margin is not None
    loss, margin = loss or loss_scale([view.loss]), margin or margin_scale([view.margin])
    start = 2.1 if shown else 0.85
    width, height = start + 3 * _SIDE + 2 * _GAP + 0.25, _BELOW + _SIDE + (0.85 if title else 0.45)
    figure = Figure(figsize=(width, height))

    def place(left: float, bottom: float, wide: float, high: float) -> Axes:
        """Return axes at a place in inches."""
        return figure.add_axes((left / width, bottom / height, wide / width, high / height))

    lefts = [start + i * (_SIDE + _GAP) for i in range(3)]
    panels = [place(left, _BELOW, _SIDE, _SIDE) for left in lefts]
    label_panel(panels[0], view, look)
    drawn = [
        (loss_panel(panels[1], view, loss), loss, "nats"),
        (margin_panel(panels[2], view, margin), margin, "difference of logits"),
    ]
    titles = ("predicted class", f"loss of “{reference}”", f"margin of “{reference}”")
    for ax, name in zip(panels, titles, strict=True):
        points(ax, view)
        ax.set_title(name, fontsize=12)
        ax.set_xlabel(axes[0], fontsize=11)
        ax.tick_params(labelsize=10)
    panels[0].set_ylabel(axes[1], fontsize=11)
    for left, (filled, scale, unit) in zip(lefts[1:], drawn, strict=True):
        bar = figure.colorbar(filled, cax=place(left, 0.55, _SIDE, 0.13), orientation="horizontal")
        colour_bar(bar, scale, unit)
    _classes(figure, panels[0], view, look, (start / width, 0.78 / height))
    if shown:
        _pictures(place, shown)
    elif view.anchors:
        panels[0].legend(handles=_point_handles(view), loc="lower left", fontsize=9, frameon=True,
                         framealpha=0.9, edgecolor="0.7", handletextpad=0.2)  # fmt: skip
    if title:
        figure.text(0.2 / width, 1 - 0.12 / height, title, va="top", fontsize=15, fontweight="bold")
    return figure


def colour_bar(bar: Colorbar, scale: Scale, unit: str) -> None:
    """Label a colour bar with the levels that its scale names."""
    bar.set_ticks(list(scale.ticks), labels=[scale.text(t) for t in scale.ticks])
    bar.ax.tick_params(labelsize=10, length=3)
    bar.ax.minorticks_off()
    bar.set_label(unit, fontsize=10)


def _classes(figure: Figure, ax: Axes, view: View, look: Look, corner: tuple[float, float]) -> None:
    """Name the colours below the panel of the label regions."""
    handles = class_handles(look, view.shares)
    ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=min(3, len(handles)),
        bbox_transform=figure.transFigure, fontsize=10, columnspacing=1.0, handlelength=1.2,
        handletextpad=0.5, borderaxespad=0,
    )  # fmt: skip


def _point_handles(view: View) -> list[Line2D]:
    known = marks(view.anchors)
    return [
        Line2D([], [], linestyle="none", marker=known[name].marker, markersize=8, color="white",
               markeredgecolor=INK, markeredgewidth=1.5, label=name)
        for name in view.anchors
    ]  # fmt: skip


def _pictures(place: Callable[..., Axes], pictures: Mapping[str, Picture]) -> None:
    """Show the images in a column, each framed in the colour of its class."""
    known = marks(pictures)
    step = (_BELOW + _SIDE) / max(len(pictures), 3)
    side = min(1.15, step - 0.5)
    for i, (name, picture) in enumerate(pictures.items()):
        ax = place(0.2, _BELOW + _SIDE - side - 0.02 - i * step, side, side)
        picture_panel(ax, picture.image, picture.colour)
        ax.set_title(name, fontsize=10, loc="center", pad=5)
        ax.set_xlabel(picture.line, fontsize=9, labelpad=4)
        ax.plot(
            0.0, 1.0, known[name].marker, transform=ax.transAxes, markersize=9, color="white",
            markeredgecolor=INK, markeredgewidth=1.5, clip_on=False, zorder=5,
        )  # fmt: skip
