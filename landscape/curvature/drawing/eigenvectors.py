"""Eigenvectors as pictures: the directions in which the loss bends most, around twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from core.report import words
from core.report.drawing import Drawing
from core.report.figures import subplots

CLIPPED = 0.995
"""Share of the pixels of all vectors shown that lie within the colour scale."""


@dataclass(frozen=True)
class Pictured:
    """One version of an example, with what there is to see of the loss around it.

    Attributes:
        title: of its line, such as `genuine`.
        says: what the classifier says of it, such as `3, 98%`.
        image: `(c, h, w)` in [0, 1].
        gradient: of the loss, `(c, h, w)`, of length 1.
        vectors: unit eigenvectors, `(k, c, h, w)`.
        values: their eigenvalues, `(k,)`.
        share: of the trace norm that each makes, `(k,)`.
    """

    title: str
    says: str
    image: np.ndarray
    gradient: np.ndarray
    vectors: np.ndarray
    values: np.ndarray
    share: np.ndarray


def eigenvectors(examples: Sequence[Sequence[Pictured]], names: Sequence[str]) -> Drawing:
    """Draw examples side by side with their twins: image, gradient, top eigenvectors.

    Args:
        examples: of each, its versions; all have as many eigenvectors.
        names: of the examples.
    """
    count = examples[0][0].vectors.shape[0]
    lines = [version for versions in examples for version in versions]
    scale = float(np.quantile(_pixels(lines), CLIPPED))
    figure, axes = subplots(len(lines), 2 + count, size=(1.62, 1.86))
    heads = ["image", "gradient", *(f"eigenvector {i + 1}" for i in range(count))]
    data = []
    line = 0
    for name, versions in zip(names, examples, strict=True):
        for place, version in enumerate(versions):
            row = axes[line]
            title = f"{version.title}: {name}" if not place else version.title
            _picture(row[0], version.image, f"{title}\nseen as {version.says}")
            _signed(row[1], version.gradient, scale, "")
            for i in range(count):
                value, share = version.values[i], version.share[i]
                said = f"{words.number(float(value))}\n{words.percent(float(share))} of all"
                _signed(row[2 + i], version.vectors[i], scale, said)
                data.append(
                    {"example": name, "version": version.title, "vector": i + 1,
                     "eigenvalue": float(value), "share": float(share)}
                )  # fmt: skip
            line += 1
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, fontsize=9, loc="center")
    colours = (
        "Red: the pixel gets brighter, blue: darker, white: it stays"
        if examples[0][0].image.shape[0] == 1
        else "Grey: the pixel stays; brighter or darker, in a colour: it changes so"
    )
    return Drawing(
        "eigenvectors",
        figure,
        pd.DataFrame(data),
        "The directions in which the loss bends most: the top eigenvectors of the input Hessian "
        "around genuine images and around what attacks made of them, beside the image and the "
        f"gradient of the loss. {colours}; all have length 1 and share one scale (±"
        f"{words.number(scale, 2)} per pixel). Signs are those along which the loss rises. Below "
        "each: its eigenvalue, in nats per squared input unit, and its share in the sum of all. An "
        "eigenvector like the gradient says that the loss bends where it is steep, as one logit "
        "rises over another; one with a share near 100% that there is no other direction.",
    )


def _pixels(lines: Sequence[Pictured]) -> np.ndarray:
    return np.abs(
        np.concatenate([np.concatenate([v.gradient.ravel(), v.vectors.ravel()]) for v in lines])
    )


def _picture(ax: Axes, image: np.ndarray, says: str) -> None:
    _bare(ax)
    if image.shape[0] == 1:
        ax.imshow(image[0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    else:
        ax.imshow(np.moveaxis(image, 0, -1).clip(0, 1), interpolation="nearest")
    ax.set_xlabel(says, fontsize=7.5)


def _signed(ax: Axes, vector: np.ndarray, scale: float, says: str) -> None:
    """Draw a signed picture: one channel on a diverging scale, colours about grey."""
    _bare(ax)
    if vector.shape[0] == 1:
        ax.imshow(vector[0], cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest")
    else:
        shown = (0.5 + vector / (2 * scale)).clip(0, 1)
        ax.imshow(np.moveaxis(shown, 0, -1), interpolation="nearest")
    ax.set_xlabel(says, fontsize=7.5)


def _bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color("0.8")
