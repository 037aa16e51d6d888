"""Pictures along paths: what lies between two images, and what the classifier says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from core.report import pictures, words
from core.report.drawing import Drawing
from core.report.figures import subplots


@dataclass(frozen=True)
class Strip:
    """The pictures along one path.

    Attributes:
        title: kind of pair and of path.
        images: `(k, c, h, w)` in [0, 1], from the first to the second end.
        losses: of the pair's class, `(k,)`.
        classes: the names of the classes predicted.
        right: whether that is the pair's class, `(k,)`.
        change: `(c, h, w)`: what bending the path changed where the straight line is highest; None
            for the straight line.
    """

    title: str
    images: np.ndarray
    losses: Sequence[float]
    classes: Sequence[str]
    right: Sequence[bool]
    change: np.ndarray | None


def strip(strips: Sequence[Strip]) -> Drawing:
    """Draw the pictures along paths, a line for each path, loss and predicted class below each."""
    count = len(strips[0].images)
    figure, axes = subplots(len(strips), count + 1, size=(1.12, 1.55))
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.09)
    data = []
    for line, one in zip(axes, strips, strict=True):
        for i, ax in enumerate(line[:count]):
            colour = "#222222" if one.right[i] else "#D55E00"
            _picture(ax, one.images[i], colour, wide=not one.right[i])
            ax.set_xlabel(
                f"{words.number(one.losses[i], 2)}\n{_short(one.classes[i])}", fontsize=7,
                color=colour, labelpad=2,
            )  # fmt: skip
            data.append({"path": one.title, "place": i / (count - 1), "loss": one.losses[i],
                         "predicted": one.classes[i], "of the class": one.right[i]})  # fmt: skip
        title = line[0].text(
            0, 1.06, one.title, transform=line[0].transAxes, fontsize=9, fontweight="bold"
        )
        title.set_in_layout(False)  # it is wider than the first picture
        if one.change is None:
            line[count].set_axis_off()
        else:
            gain = float(f"{min(0.5 / max(np.abs(one.change).max(), 1e-6), 100):.1g}")
            _picture(line[count], np.clip(0.5 + gain * one.change, 0, 1), "#888888", wide=False)
            line[count].set_xlabel(
                f"change at the\npeak, × {words.number(gain)}", fontsize=7, labelpad=2
            )
    return Drawing(
        "strip",
        figure,
        pd.DataFrame(data),
        "Along paths: at the left and right ends the two images, between them what lies at equal "
        "steps of the path; below each the loss (nats) of the pair's class and the class "
        "predicted, in red where that is another one. Of each kind of pair, the one whose straight "
        "line rises highest. The last column is what the search changed where the straight line is "
        "highest, enlarged (grey: nothing).",
    )


def _picture(ax: Axes, image: np.ndarray, colour: str, *, wide: bool) -> None:
    shown = pictures.to_uint8(image)
    ax.imshow(shown, cmap="gray" if shown.ndim == 2 else None, vmin=0, vmax=255)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=colour, linewidth=2.2 if wide else 0.8)


def _short(name: str) -> str:
    """Return the first of a class's names, cut to what fits below a picture."""
    first = name.split(",")[0]
    return first if len(first) <= 14 else f"{first[:13]}…"
