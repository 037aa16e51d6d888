"""Drawings: figures with the table behind them and their caption, and what their panels share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, NullFormatter

from core.report import words
from core.report.figures import FigureFiles, save_figure


@dataclass(frozen=True)
class Drawing:
    """A figure, the table behind it, and what it shows."""

    name: str
    figure: Figure
    data: pd.DataFrame
    caption: str


def save_drawings(drawings: Iterable[Drawing], folder: Path) -> dict[str, tuple[FigureFiles, str]]:
    """Save every drawing as PNG, SVG and CSV; return what `Report.figure` takes, by name.

    >>> import tempfile
    >>> from core.report.figures import subplots
    >>> drawing = Drawing("lines", subplots()[0], pd.DataFrame({"x": [1]}), "Nothing.")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files, caption = save_drawings([drawing], Path(folder))["lines"]
    >>> files.png.name, files.csv.name, caption
    ('lines.png', 'lines.csv', 'Nothing.')
    """
    return {
        drawing.name: (
            save_figure(drawing.figure, folder, drawing.name, data=drawing.data),
            drawing.caption,
        )
        for drawing in drawings
    }


def name_lines(ax: Axes, names: Sequence[str], *, size: float | None = None) -> None:
    """Name the lines of a panel, the first on top, with a grid across them.

    Args:
        ax: the panel, whose lines lie at 0, 1, ...
        names: of the lines.
        size: of the letters, on both axes; None: as the style has it.
    """
    ax.set_yticks(range(len(names)), names)
    if size is not None:
        ax.tick_params(labelsize=size)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(True, axis="x")
    ax.grid(False, axis="y")


def plain_ticks(axis: Axis, locator: Locator | None = None) -> None:
    """Label the ticks of a logarithmic axis with numbers as words say them, and no minor ones.

    Args:
        axis: `ax.xaxis` or `ax.yaxis`, its scale set.
        locator: where the ticks are; None: where they were.
    """
    if locator is not None:
        axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
    axis.set_minor_formatter(NullFormatter())


def aside(count: int, width: float) -> np.ndarray:
    """Return how far each of `count` points is moved aside so that they lie apart, within `width`.

    The golden ratio spreads points evenly and looks random, without being so.

    >>> aside(3, 1.0).round(3)
    array([-0.5  ,  0.118, -0.264])
    """
    return ((np.arange(count) * 0.6180339887) % 1 - 0.5) * width


def remove_unused(figure: Figure, axes: np.ndarray, used: int) -> None:
    """Take the panels of a grid away that nothing is drawn in: all but the first `used`."""
    for ax in axes.flat[used:]:
        figure.delaxes(ax)
