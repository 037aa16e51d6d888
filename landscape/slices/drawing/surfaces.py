"""A plane as a relief: the loss is the height, the class its colour, the contours lie below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from core.report.figures import style
from landscape.slices.drawing.looks import Look, class_look, marks, tinted
from landscape.slices.drawing.panels import INK, class_handles, finer
from landscape.slices.drawing.scales import Scale, loss_scale
from landscape.slices.drawing.triptych import reference_of
from landscape.slices.planes import PlaneSlice
from landscape.slices.views import View, joint_shares, view_of

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d import Axes3D

_FINE = 240
"""Facets along a side, at most."""
_RELIEF = 0.72
"""The height of the relief, in sides of the plane."""


def draw_surface(
    found: PlaneSlice,
    example: int = 0,
    *,
    class_names: Sequence[str] = (),
    axes: tuple[str, str] = ("first axis", "second axis"),
    title: str = "",
) -> Figure:
    """Draw the plane of one example as a relief: height is the loss, colour the predicted class.

    Args:
        found: of `plane` or `three_inputs`, with a classifier's loss.
        example: which of its examples.
        class_names: of all classes; else they are numbered.
        axes: what the axes are.
        title: of the figure.
    """
    view = view_of(found, example)
    look = class_look(view.shares, class_names, first=[reference_of(found, example)])
    scale = loss_scale([view.loss])
    with style():
        figure = Figure(figsize=(7.2, 6.4))
        panel = figure.add_axes((0.0, 0.06, 0.94, 0.92), projection="3d")
        surface_panel(panel, view, look, scale, axes=axes)
        class_legend(figure, [view], look)
        if title:
            figure.text(0.03, 0.97, title, va="top", fontsize=15, fontweight="bold")
    return figure


def class_legend(figure: Figure, views: Sequence[View], look: Look, *, columns: int = 4) -> None:
    """Name the colours of the classes that several planes show, below them."""
    handles = class_handles(look, joint_shares(views))
    figure.legend(handles=handles, loc="lower center", ncols=min(columns, len(handles)),
                  fontsize=10, columnspacing=1.2, handlelength=1.2)  # fmt: skip


def surface_panel(
    ax: Axes3D,
    view: View,
    look: Look,
    scale: Scale,
    *,
    axes: tuple[str, str] = ("", ""),
    elevation: float = 34,
    turn: float = -118,
) -> None:
    """Draw the loss as a shaded relief in the colours of the classes, over its contours.

    Args:
        ax: with `projection="3d"`.
        view: of a classifier.
        look: of the classes.
        scale: of the losses; a logarithmic one makes the height that of the logarithm.
        axes: what the axes are.
        elevation: of the camera, in degrees.
        turn: of the camera about the vertical, in degrees.
    """
    low, high = heights(scale)
    # A relief much finer than the grid would only be larger.
    side = min(_FINE, 4 * max(view.loss.shape))
    a = np.linspace(float(view.a[0]), float(view.a[-1]), side)
    b = np.linspace(float(view.b[0]), float(view.b[-1]), side)
    x, y = np.meshgrid(a, b)
    cut = np.clip(to_height(view.loss, scale), low, high)
    # Straight pieces would leave teeth on steep slopes that run across the grid.
    fine = np.clip(finer(cut, [side, side], order=3), low, high)
    painted = _painted(view, look, scale, fine, (high - low) / _RELIEF)
    floor = low - 0.45 * (high - low)
    ax.contourf(
        view.a, view.b, view.loss, zdir="z", offset=floor, levels=scale.levels, extend="both",
        cmap=scale.colours, norm=scale.norm, alpha=0.92, zorder=1,
    )  # fmt: skip
    grid = np.stack([x, y, fine], -1)
    corners = [grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]]
    facets = Poly3DCollection(
        np.stack(corners, 2).reshape(-1, 4, 3), facecolors=painted[:-1, :-1].reshape(-1, 3),
        edgecolors="none", linewidths=0, antialiaseds=False, rasterized=True, zorder=2,
    )  # fmt: skip
    ax.add_collection3d(facets)
    known = marks(view.anchors)
    for name, (u, v) in view.anchors.items():
        if not (a[0] <= u <= a[-1] and b[0] <= v <= b[-1]):
            continue
        row, column = np.abs(b - v).argmin(), np.abs(a - u).argmin()
        top = fine[row, column]
        ax.plot([u], [v], [floor], known[name].marker, color="white", markeredgecolor=INK,
                markeredgewidth=1, markersize=0.6 * known[name].size, zorder=10)  # fmt: skip
        ax.plot([u], [v], [top], known[name].marker, color="white", markeredgecolor=INK,
                markeredgewidth=1.5, markersize=known[name].size, zorder=11, label=name,
                path_effects=[withStroke(linewidth=3, foreground="white")])  # fmt: skip
    ax.set_zlim(floor, high)
    ax.set_xlim(a[0], a[-1])
    ax.set_ylim(b[0], b[-1])
    ax.view_init(elevation, turn)
    ax.set_box_aspect((1, 1, 1.45 * _RELIEF), zoom=0.98)
    ticks = [t for t in scale.ticks if scale.levels[0] <= t <= scale.levels[-1]]
    ax.set_zticks([float(to_height(np.array(t), scale)) for t in ticks],
                  [scale.text(t) for t in ticks])  # fmt: skip
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_pane_color((0.975, 0.975, 0.98, 1))
    ax.tick_params(labelsize=9, pad=1)
    ax.set_xlabel(axes[0], fontsize=10, labelpad=6)
    ax.set_ylabel(axes[1], fontsize=10, labelpad=6)
    ax.set_zlabel("loss (nats)", fontsize=10, labelpad=8)


def _painted(view: View, look: Look, scale: Scale, fine: np.ndarray, unit: float) -> np.ndarray:
    """Return the colours of the facets: of the class, lit from the side, with lines painted on.

    Lines drawn by themselves would be seen through the relief.
    """
    target = list(fine.shape)
    scores = np.stack([finer(own, target, order=3) for own in view.logits.values()])
    order, logits = scores.argmax(0), np.sort(scores, axis=0)
    classes = list(view.logits)
    colours = np.zeros((*target, 3))
    for i in np.unique(order):
        colours[order == i] = tinted(look.colour(classes[int(i)]), 0.82)
    north, east = np.gradient(fine / unit * len(fine))
    normal = np.stack([-east, -north, np.ones_like(fine)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    sun = np.array([-0.45, -0.35, 0.82])
    light = 0.5 + 0.55 * np.clip(normal @ (sun / np.linalg.norm(sun)), 0, 1)
    colours = np.clip(colours * light[..., None], 0, 1)
    # What is a line from above is a broad band on a wall.
    level = np.clip(2.5 * normal[..., 2:], 0, 1)
    for height in to_height(scale.ticks, scale):
        colours *= 1 - 0.2 * level * _line(fine - height, 0.4)[..., None]
    if len(logits) > 1:
        colours *= 1 - 0.85 * level * _line(logits[-1] - logits[-2], 0.7)[..., None]
    return colours


def _line(values: np.ndarray, width: float) -> np.ndarray:
    """Return how far each facet is covered by the line where a function is 0, from 0 to 1."""
    slope = np.hypot(*np.gradient(values))
    # Where a function is level, as a relief is that is cut off, there is no line.
    sloping = slope > 1e-6 * max(float(np.ptp(values)), np.finfo(float).tiny)
    away = np.abs(values) / np.where(sloping, slope, 1)
    covered: np.ndarray = np.where(sloping, np.clip(width + 0.5 - away, 0, 1), 0)
    return covered


def heights(scale: Scale) -> tuple[float, float]:
    """Return the heights of the lowest and the highest level."""
    low, high = to_height(scale.levels[[0, -1]], scale)
    return float(low), float(high)


def to_height(loss: np.ndarray, scale: Scale) -> np.ndarray:
    """Return losses as heights: their decimal logarithm on a logarithmic scale."""
    if not scale.logarithmic:
        return loss
    height: np.ndarray = np.log10(np.maximum(loss, scale.levels[0] * 1e-3))
    return height
