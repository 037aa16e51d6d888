"""Planes that move along the way from an image to its twin: frames, and a sheet of some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from PIL import Image

from core.files import atomic_file
from core.report import words
from core.report.drawing import Drawing
from landscape.slices.drawing.looks import Look, tinted
from landscape.slices.drawing.panels import INK, class_handles, label_panel, picture_panel
from landscape.slices.kinds import EIGENVECTOR, RANDOM, TITLES
from landscape.slices.views import View, joint_shares

PLANES = (RANDOM, EIGENVECTOR)
COLOURS = 128
"""Of the animation; more make it larger, not better."""
_BAND = 60  # pixels that the colours of the classes add to each picture a palette is made of
_STEP, _REST = 110, 1300  # milliseconds that a frame stays; at the image and at its twin


@dataclass(frozen=True)
class Frame:
    """One position of the moving planes.

    Attributes:
        place: of the planes, in multiples of the way: 0 at the image, 1 at its twin.
        views: kind of plane -> what is seen there.
        image: what lies in the middle of both, `(c, h, w)`.
    """

    place: float
    views: dict[str, View]
    image: np.ndarray

    @property
    def centre(self) -> tuple[float, float, int]:
        """Loss, margin and predicted class in the middle of the planes."""
        view = next(iter(self.views.values()))
        i, j = len(view.b) // 2, len(view.a) // 2
        assert view.margin is not None
        return float(view.loss[i, j]), float(view.margin[i, j]), int(view.prediction[i, j])


def frame_pictures(
    frames: Sequence[Frame], look: Look, step: float, *, dpi: int = 92
) -> Iterator[Image.Image]:
    """Yield every frame as a picture: both planes, the image in their middle, the way.

    Args:
        frames: all of them.
        look: of the classes.
        step: l2 length of the way.
        dpi: dots per inch, of 7.6 x 4.05 in.
    """
    # One figure for all: what stays is not made anew.
    figure = Figure(figsize=(7.6, 4.05), dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    planes = {}
    for i, kind in enumerate(PLANES):
        planes[kind] = figure.add_axes((0.055 + 0.335 * i, 0.235, 0.29, 0.29 * 7.6 / 4.05))
        planes[kind].set_title(TITLES[kind], fontsize=10)
    picture = figure.add_axes((0.735, 0.565, 0.16, 0.16 * 7.6 / 4.05))
    way = figure.add_axes((0.765, 0.235, 0.215, 0.235))
    _way(way, frames, look)
    (dot,) = way.plot([], [], "o", markersize=8, color="white", markeredgecolor=INK,
                      markeredgewidth=1.6, zorder=5)  # fmt: skip
    figure.text(0.055, 0.975, "Planes across the way from an image to its twin", fontsize=12,
                fontweight="bold", va="top")  # fmt: skip
    said = figure.text(0.735, 0.96, "", fontsize=9, va="top", linespacing=1.25)
    _legend(figure, frames, look)
    figure.text(0.98, 0.02, f"way: l2 {step:.3g}", fontsize=8.5, ha="right", color="0.35")
    for frame in frames:
        for kind, ax in planes.items():
            for artist in [*ax.images, *ax.collections, *ax.lines, *ax.patches, *ax.texts]:
                artist.remove()
            _plane(ax, frame.views[kind], look, frame)
        for old in picture.images:
            old.remove()
        picture_panel(picture, frame.image, look.colour(frame.centre[2]))
        dot.set_data([frame.place], [frame.centre[1]])
        where = {0.0: "at the image", 1.0: "at its twin"}.get(
            frame.place, f"{words.number(frame.place, 2)} of the way"
        )
        said.set_text(f"{where}:\n{look.name(frame.centre[2])}")
        canvas.draw()
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def key_sheet(frames: Sequence[Frame], look: Look, step: float) -> Drawing:
    """Draw some of the frames side by side, for print and for whoever would rather see no motion.

    Args:
        frames: all of them.
        look: of the classes.
        step: l2 length of the way.
    """
    chosen = [int(np.argmin([abs(f.place - p) for f in frames])) for p in (-0.5, 0, 0.5, 1, 1.5)]
    side, gap, left = 1.66, 0.2, 0.62
    width, height = left + 5 * (side + gap), 6.35
    figure = Figure(figsize=(width, height))
    for column, index in enumerate(chosen):
        frame = frames[index]
        x = (left + column * (side + gap)) / width
        for row, kind in enumerate(PLANES):
            y = (height - 0.75 - side - row * (side + 0.18)) / height
            ax = figure.add_axes((x, y, side / width, side / height))
            _plane(ax, frame.views[kind], look, frame)
            ax.tick_params(labelsize=8)
            if column:
                ax.set_yticklabels([])
            else:
                ax.set_ylabel(TITLES[kind].replace("the two top", "two top"), fontsize=9.5)
            if not row:
                ax.set_xticklabels([])
        name = {0.0: "the image", 1.0: "its twin"}.get(
            frame.place, f"{words.number(frame.place)} of the way"
        )
        figure.text(x, 1 - 0.62 / height, name, fontsize=10.5, fontweight="bold", va="bottom")
    way = figure.add_axes((left / width, 0.98 / height, 1 - (left + gap) / width, 0.78 / height))
    _way(way, frames, look)
    figure.text(left / width, 1 - 0.1 / height, "Planes across the way from an image to its "
                "adversarial twin", fontsize=12.5, fontweight="bold", va="top")  # fmt: skip
    _legend(figure, frames, look)
    middles = []
    for kind in PLANES:
        shares = [f.views[kind].shares.get(f.centre[2], 0.0) for f in frames]
        middles.append(f"{words.percent(float(np.mean(shares)), 2)} of the plane of {TITLES[kind]}")
    data = pd.DataFrame(
        [
            {
                "place": f.place,
                "loss": f.centre[0],
                "margin": f.centre[1],
                "class": look.name(f.centre[2]),
                **{f"{k} planes, own class": v.shares.get(_own(frames), 0.0)
                   for k, v in f.views.items()},
            }
            for f in frames
        ]
    )  # fmt: skip
    return Drawing(
        "moving_planes",
        figure,
        data,
        "The predicted class on two planes at right angles to the way from an image to its "
        f"adversarial twin (l2 {step:.3g}), at five places of it: of two random directions, and of "
        "the two top eigenvectors of the input Hessian at the image, both without their part along "
        "the way. Over all places, the class of the middle is predicted on "
        f"{words.several(middles)}. Curve: the margin of the image's class along the way, in the "
        "colour of the predicted class. Axes: l2 distance in input units.",
    )


def write_gif(
    frames: Sequence[Frame], look: Look, step: float, path: Path, *, dpi: int = 92
) -> Path:
    """Write the frames as an animated GIF, with a rest at the image and at its twin."""
    pictures = list(frame_pictures(frames, look, step, dpi=dpi))
    # One palette for all: colours that change from frame to frame would flicker.
    palette = _palette(pictures[:: max(1, len(pictures) // 6)], look)
    plain = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    durations = [_REST if f.place in (0, 1) else _STEP for f in frames]
    durations[-1] = _REST
    with atomic_file(path) as temporary:
        plain[0].save(temporary, format="GIF", save_all=True, append_images=plain[1:], loop=0,
                      duration=durations, optimize=True)  # fmt: skip
    return path


def _palette(pictures: Sequence[Image.Image], look: Look) -> Image.Image:
    """Return one palette for some pictures, in which no class has lost its colour."""
    width, height = pictures[0].size
    strip = Image.new("RGB", (width, (height + _BAND) * len(pictures)))
    tints = [tinted(colour, share) for colour in look.colours.values() for share in (1, 0.85, 0.5)]
    tints += [tinted("#000000", share) for share in np.linspace(0.1, 1, 10)]
    band = np.repeat(np.rint(255 * np.array(tints)).astype(np.uint8), -(-width // len(tints)), 0)
    bands = Image.fromarray(np.broadcast_to(band[:width], (_BAND, width, 3)).copy())
    for i, picture in enumerate(pictures):
        strip.paste(picture, (0, i * (height + _BAND)))
        strip.paste(bands, (0, i * (height + _BAND) + height))
    return strip.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)


def _own(frames: Sequence[Frame]) -> int:
    """Return the class at the image itself."""
    return min(frames, key=lambda f: abs(f.place)).centre[2]


def _plane(ax: Axes, view: View, look: Look, frame: Frame) -> None:
    # The centre is marked below: names keep clear of it.
    label_panel(ax, replace(view, anchors={"centre": (0.0, 0.0)}), look, names=8)
    mark = "D" if abs(frame.place - 1) < 1e-9 else "o"
    reached = frame.place == 0 or mark == "D"
    ax.plot(0, 0, mark, markersize=7, color="white" if reached else "none", markeredgecolor=INK,
            markeredgewidth=1.4, zorder=6)  # fmt: skip
    ax.tick_params(labelsize=8, length=2.5)
    ax.locator_params(nbins=5)


def _way(ax: Axes, frames: Sequence[Frame], look: Look) -> None:
    """Draw the margin along the way, each piece in the colour of the class that is predicted."""
    at = np.array([f.place for f in frames])
    margins = np.array([f.centre[1] for f in frames])
    ax.axhline(0, color="0.4", linewidth=0.8)
    for x, name in ((0.0, "image"), (1.0, "twin")):
        ax.axvline(x, color="0.75", linewidth=0.8)
        ax.annotate(name, (x, 1.0), xycoords=("data", "axes fraction"), fontsize=8, ha="center",
                    va="bottom", color="0.3")  # fmt: skip
    pieces = np.stack([np.stack([at, margins], 1)[:-1], np.stack([at, margins], 1)[1:]], 1)
    colours = [look.colour(f.centre[2]) for f in frames[:-1]]
    ax.add_collection(LineCollection(list(pieces), colors=colours, linewidths=2.4))
    room = 0.08 * max(float(np.ptp(margins)), 1e-9)
    ax.set_ylim(margins.min() - room, margins.max() + room)
    ax.set_xlim(at[0], at[-1])
    ax.tick_params(labelsize=8, length=2.5)
    ax.locator_params(nbins=4, axis="y")
    ax.set_xlabel("place, in multiples of the way", fontsize=8.5)
    ax.set_ylabel("margin", fontsize=8.5)
    ax.grid(False)


def _legend(figure: Figure, frames: Sequence[Frame], look: Look) -> None:
    here = joint_shares([view for f in frames for view in f.views.values()])
    handles = class_handles(look, here)
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.045, 0.0), ncols=6,
                  fontsize=8.5, columnspacing=1.0, handlelength=1.1, handletextpad=0.4,
                  frameon=False)  # fmt: skip
