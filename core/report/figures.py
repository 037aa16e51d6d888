"""Figures: one look for all of them, and the files they are saved as."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import pandas as pd

DPI = 160

# Sizes are chosen for a figure 6.4 in wide shown 360 px wide, on a phone: 13 pt are 10 px there.
_LOOK: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 13,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.labelcolor": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "text.color": "#222222",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.2,
    "lines.markersize": 6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class FigureFiles:
    """Where a figure lies, and how wide it was drawn, in inches."""

    png: Path
    svg: Path
    csv: Path | None
    width: float


def style() -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws as all our figures look; restored after."""
    return matplotlib.rc_context(_LOOK)


def subplots(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 4.4), **options: Any
) -> tuple[Figure, np.ndarray]:
    """Return a figure and its axes `(rows, columns)`, without pyplot's global state or a window.

    Args:
        rows: of panels.
        columns: of panels.
        size: width and height of one panel, in inches.
        options: of `Figure.subplots`, such as `sharey=True`.

    >>> with style():
    ...     figure, axes = subplots(1, 2)
    >>> axes.shape
    (1, 2)
    """
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def save_figure(
    figure: Figure, folder: Path, name: str, *, data: pd.DataFrame | None = None
) -> FigureFiles:
    """Save a figure as PNG and SVG, and the table behind it as CSV beside them.

    The files depend on what is drawn alone: the same figure gives the same bytes.

    Args:
        figure: to be saved.
        folder: made if missing.
        name: of the files, without suffix.
        data: the numbers that the figure shows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    png, svg, csv = (folder / f"{name}.{suffix}" for suffix in ("png", "svg", "csv"))
    # Saved first: a canvas of SVG draws at 72 dpi, and layout must not depend on the order.
    figure.savefig(png, dpi=DPI, metadata={"Software": None}, pil_kwargs={"optimize": True})
    # Laying panels out takes as long as drawing them, and the SVG is to look the same.
    figure.set_layout_engine("none")
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
    if data is not None:
        data.to_csv(csv, index=False)
    return FigureFiles(png, svg, csv if data is not None else None, float(figure.get_figwidth()))
