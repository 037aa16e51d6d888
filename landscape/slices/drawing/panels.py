"""Panels of one plane: label regions, filled contours of loss and margin, boundaries, points."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import QuadContourSet
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import Stroke, withStroke
from scipy.ndimage import distance_transform_edt, zoom

from core.report.pictures import to_uint8
from landscape.slices.drawing.looks import Look, marks, tinted
from landscape.slices.drawing.scales import Scale
from landscape.slices.views import View

INK = "#1A1A1A"
_FINE = 420
"""Points along a side of a filled region: lines between classes are interpolated to this."""


def label_panel(ax: Axes, view: View, look: Look, *, names: float = 11) -> None:
    """Fill the regions of the predicted classes, paler where the classifier is less sure.

    Args:
        ax: to draw into.
        view: of a classifier.
        look: of the classes.
        names: size of the names that regions bear where there is room; 0: none do.
    """
    picture, chosen = _regions(view, look)
    ax.imshow(
        picture,
        extent=_edges(view, picture.shape[:2]),
        origin="lower",
        interpolation="bilinear",
        zorder=0,
    )
    boundaries(ax, view, color=INK, width=1.3)
    frame(ax, view)
    if names:
        _name_regions(ax, view, chosen, look, names)


def loss_panel(ax: Axes, view: View, scale: Scale, *, lines: bool = True) -> QuadContourSet:
    """Fill the contours of the loss, with the boundaries between classes over them."""
    filled = ax.contourf(
        view.a, view.b, view.loss, levels=scale.levels, cmap=scale.colours, norm=scale.norm,
        extend="both", zorder=0,
    )  # fmt: skip
    if lines and view.logits:
        boundaries(ax, view, color="white", width=1.1, halo="black")
    frame(ax, view)
    return filled


def margin_panel(ax: Axes, view: View, scale: Scale, *, lines: bool = True) -> QuadContourSet:
    """Fill the contours of the margin: blue where the reference label leads, red where not."""
    assert view.margin is not None
    filled = ax.contourf(
        view.a, view.b, view.margin, levels=scale.levels, cmap=scale.colours, norm=scale.norm,
        extend="both", zorder=0,
    )  # fmt: skip
    if lines:
        level_lines(ax, view.a, view.b, view.margin, scale, color="0.25")
        if view.margin.min() < 0 < view.margin.max():
            ax.contour(view.a, view.b, view.margin, levels=[0], colors=INK, linewidths=2)
    frame(ax, view)
    return filled


def level_lines(
    ax: Axes, a: np.ndarray, b: np.ndarray, values: np.ndarray, scale: Scale, *, color: str
) -> None:
    """Draw thin lines at the levels that a scale names, with their values on them."""
    shown = [level for level in scale.ticks[::2] if values.min() < level < values.max()]
    if not shown:
        return
    lines = ax.contour(a, b, values, levels=shown, colors=color, linewidths=0.5)
    labels = ax.clabel(lines, fontsize=7, fmt=scale.text, inline_spacing=2)
    for label in labels or []:
        label.set_path_effects([withStroke(linewidth=1.6, foreground="white", alpha=0.75)])


def boundaries(ax: Axes, view: View, *, color: str, width: float, halo: str | None = None) -> None:
    """Draw the lines between the regions of different labels, where two classes are level."""
    for lead in _leads(view).values():
        if not lead.min() < 0 < lead.max():
            continue
        if halo is not None:
            ax.contour(view.a, view.b, lead, levels=[0], colors=halo, linewidths=width + 1.4,
                       alpha=0.45)  # fmt: skip
        ax.contour(view.a, view.b, lead, levels=[0], colors=color, linewidths=width)


def outside(ax: Axes, view: View) -> None:
    """Hatch what lies outside the box of valid images, and draw the box's limit."""
    if view.inside > 1 - 1e-9:
        return
    (left, right), (low, high) = view.a[[0, -1]], view.b[[0, -1]]
    sheet = Path([(left, low), (right, low), (right, high), (left, high), (left, low)], closed=True)
    rings = [sheet]
    if len(view.box):
        hole = np.array([*view.box, view.box[0]])
        signed = np.dot(hole[:-1, 0], hole[1:, 1]) - np.dot(hole[1:, 0], hole[:-1, 1])
        rings.append(Path(hole[::-1] if signed > 0 else hole, closed=True))
        ax.plot(*hole.T, color="white", linewidth=2.4, zorder=3)
        ax.plot(*hole.T, color=INK, linewidth=1.1, linestyle=(0, (4, 2.5)), zorder=3)
    with matplotlib.rc_context({"hatch.linewidth": 0.7}):
        patch = PathPatch(Path.make_compound_path(*rings), facecolor="none", linewidth=0,
                          edgecolor=(1, 1, 1, 0.45), hatch="////", zorder=2)  # fmt: skip
    ax.add_patch(patch)


def points(ax: Axes, view: View, *, size: float = 1.0) -> list[Line2D]:
    """Mark the anchors that lie in the window; a hollow mark lies off the plane.

    Returns:
        One handle for each that is drawn, labelled with its name, for a legend.
    """
    known = marks(view.anchors)
    handles = []
    for name, (x, y) in view.anchors.items():
        if not (view.a[0] <= x <= view.a[-1] and view.b[0] <= y <= view.b[-1]):
            continue
        mark = known[name]
        flat = view.off.get(name, 0.0) < 1e-3 * max(float(np.ptp(view.a)), 1e-12)
        (handle,) = ax.plot(
            x, y, mark.marker, markersize=mark.size * size, markeredgewidth=1.6 * size,
            color="white" if flat else "none", markeredgecolor=INK if flat else "white",
            linestyle="none", label=name, zorder=6, clip_on=False,
            path_effects=[Stroke(linewidth=3.2 * size, foreground="white" if flat else INK),
                          withStroke(linewidth=0, foreground="white")],
        )  # fmt: skip
        handles.append(handle)
    return handles


def picture_panel(ax: Axes, image: np.ndarray, colour: str | None = None) -> None:
    """Show an image `(c, h, w)`, framed in a colour or not at all; outside [0, 1] it is cut off."""
    pixels = to_uint8(image)
    smooth = "bilinear" if max(pixels.shape[:2]) > 32 else "nearest"
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation=smooth)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=colour is not None, color=colour, linewidth=3.2)


def class_handles(look: Look, classes: Iterable[int]) -> list[Patch]:
    """Return what a legend shows for the classes that occur."""
    return [
        Patch(facecolor=colour, edgecolor=INK, linewidth=0.6, label=name)
        for name, colour in look.shown(classes)
    ]


def frame(ax: Axes, view: View) -> None:
    """Give a panel of a plane equal axes, its limits, and what is outside the box."""
    outside(ax, view)
    ax.set_aspect("equal")
    ax.set_xlim(view.a[0], view.a[-1])
    ax.set_ylim(view.b[0], view.b[-1])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.8)


def _leads(view: View) -> dict[int, np.ndarray]:
    """Return for each class that occurs how far its logit leads all others that do."""
    logits = np.stack(list(view.logits.values()))
    if len(logits) < 2:
        return {}
    top = np.partition(logits, -2, axis=0)
    best, second = top[-1], top[-2]
    return {
        c: np.where(own == best, best - second, own - best)
        for c, own in zip(view.logits, logits, strict=True)
    }


def _regions(view: View, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Return a fine picture of the regions, `(h, w, 3)`, and the class at each of its points."""
    assert view.confidence is not None
    shape = view.loss.shape
    factor = [max(1.0, (_FINE - 1) / (size - 1)) for size in shape]
    target = [round((size - 1) * f) + 1 for size, f in zip(shape, factor, strict=True)]
    classes = np.array(list(view.logits))
    fine = np.stack([finer(own, target) for own in view.logits.values()])
    chosen = classes[fine.argmax(0)]
    sure = finer(view.confidence, target)
    picture = np.zeros((*target, 3))
    for c in np.unique(chosen):
        here = chosen == c
        picture[here] = tinted(look.colour(int(c)), 0.18 + 0.72 * sure[here] ** 1.5)
    return picture, chosen


def finer(values: np.ndarray, target: list[int], *, order: int = 1) -> np.ndarray:
    """Interpolate a grid to another size, linearly or by splines of an order, corners kept."""
    factors = [t / s for t, s in zip(target, values.shape, strict=True)]
    found: np.ndarray = zoom(values, factors, order=order, mode="nearest", grid_mode=False)
    return found


def _edges(view: View, shape: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Return the extent of a picture whose outermost points are those of the view."""
    da, db = np.ptp(view.a) / (shape[1] - 1) / 2, np.ptp(view.b) / (shape[0] - 1) / 2
    return (view.a[0] - da, view.a[-1] + da, view.b[0] - db, view.b[-1] + db)


def _name_regions(ax: Axes, view: View, chosen: np.ndarray, look: Look, size: float) -> None:
    """Write the name of a class where its region has most room for it, if it has any."""
    width = ax.get_window_extent().width / ax.figure.get_dpi()
    letter = size / 72 / max(width, 0.5)
    step = max(1, chosen.shape[1] // 105)
    coarse = chosen[::step, ::step]
    side = coarse.shape[1]
    a = np.linspace(view.a[0], view.a[-1], side)
    b = np.linspace(view.b[0], view.b[-1], len(coarse))
    free = np.ones(coarse.shape, dtype=bool)
    for x, y in view.anchors.values():
        near = np.hypot((a - x) / np.ptp(a), ((b - y) / np.ptp(b))[:, None])
        free &= near > 1.2 * letter
    for c in np.unique(coarse):
        if int(c) not in look.colours:
            continue
        name = look.name(int(c))
        # Half the width and the height of the name, in shares of the panel.
        wide, high = letter * (0.32 * len(name) + 0.3), 0.75 * letter
        room = np.pad((coarse == c) & free, 1)
        depth = distance_transform_edt(room, sampling=(1 / high, 1 / wide))[1:-1, 1:-1] / side
        # Near an edge of the panel a name would stick out.
        margin = round(wide * side)
        depth[:, :margin] = depth[:, side - margin :] = 0
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        if depth[row, column] < 0.85:
            continue
        ax.text(
            float(a[column]), float(b[row]), name, ha="center", va="center", fontsize=size,
            fontweight="bold", color=INK, zorder=5,
            path_effects=[withStroke(linewidth=2.6, foreground="white", alpha=0.85)],
        )  # fmt: skip
