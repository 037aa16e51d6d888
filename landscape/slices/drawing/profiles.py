"""Lines through single examples: the landscape beside its tangent and its parabola."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from core.report.drawing import plain_ticks
from core.report.figures import style, subplots
from landscape.slices.drawing.panels import INK
from landscape.slices.drawing.scales import DECADES
from landscape.slices.lines import LineSlice

TANGENT, PARABOLA = "#E06000", "#009E73"


@dataclass(frozen=True)
class Profile:
    """A landscape on the line through one example, as arrays.

    Attributes:
        distances: signed, `(p,)`, l2 in input units.
        loss: `(p,)`, in nats.
        kept: whether the label is predicted there, `(p,)`; None of a plain function.
        inside: whether the point is an image, `(p,)`.
        value, slope, curvature: of the loss at the example, along the line.
    """

    distances: np.ndarray
    loss: np.ndarray
    kept: np.ndarray | None
    inside: np.ndarray
    value: float
    slope: float
    curvature: float

    @property
    def tangent(self) -> np.ndarray:
        """The first-order picture, `(p,)`."""
        found: np.ndarray = self.value + self.slope * self.distances
        return found

    @property
    def parabola(self) -> np.ndarray:
        """The second-order picture, `(p,)`."""
        found: np.ndarray = self.tangent + self.curvature * self.distances**2 / 2
        return found


def profile_of(found: LineSlice, example: int = 0) -> Profile:
    """Return the line of one example of a slice."""
    seen, i = found.seen, example
    known = seen.logits is not None and seen.labels is not None
    return Profile(
        distances=found.distances.numpy(),
        loss=seen.loss[i].numpy(),
        kept=seen.kept[i].numpy() if known else None,
        inside=seen.inside[i].numpy(),
        value=float(found.taylor.value[i]),
        slope=float(found.taylor.slope[i]),
        curvature=float(found.taylor.curvature[i]),
    )


def draw_line(
    found: LineSlice, examples: Sequence[int] | None = None, *, logarithmic: bool | None = None
) -> Figure:
    """Draw the lines of some examples, each beside its tangent and its parabola.

    Args:
        found: of `line`.
        examples: which of them; by default the first four.
        logarithmic: whether the loss has a logarithmic axis; by default where it spans decades.
    """
    chosen = list(range(min(4, len(found.origin)))) if examples is None else list(examples)
    with style():
        figure, axes = subplots(1, len(chosen), size=(3.6, 3.4))
        for ax, i in zip(axes.flat, chosen, strict=True):
            profile_panel(ax, profile_of(found, i), logarithmic=logarithmic)
            ax.set_title(f"example {i}", fontsize=11)
        axes[0, 0].set_ylabel("loss (nats)")
        profile_legend(figure, axes[0, 0])
        figure.supxlabel("signed l2 distance along the direction (input units)", fontsize=12)
    return figure


def profile_panel(
    ax: Axes, profile: Profile, *, logarithmic: bool | None = None, color: str = "#0072B2"
) -> None:
    """Draw one line with its local pictures; shaded where the label is another one.

    The line is dashed outside the box of valid images.
    """
    at, loss = profile.distances, profile.loss
    low, high = float(loss.min()), float(loss.max())
    if logarithmic is None:
        logarithmic = 0 < low < high / 10**DECADES
    room = 0.06 * (high - low) or 0.5
    floor = max(low, high * 1e-12) if logarithmic else low - room
    if profile.kept is not None:
        ax.fill_between(
            at, 0, 1, where=~profile.kept, transform=ax.get_xaxis_transform(), color="0.9",
            step="mid", linewidth=0, zorder=0,
        )  # fmt: skip
    ax.axvline(0, color="0.6", linewidth=0.8, zorder=1)
    shown = np.where(profile.inside, loss, np.nan)
    ax.plot(at, loss, color=color, linestyle=(0, (2, 1)), linewidth=1.8, zorder=3)
    ax.plot(at, shown, color=color, linewidth=2.4, zorder=3, label="loss")
    for name, values, tint, stroke in (
        ("tangent (slope)", profile.tangent, TANGENT, (0, (1, 1))),
        ("parabola (slope and curvature)", profile.parabola, PARABOLA, "-"),
    ):
        drawn = np.where(values > floor, values, np.nan) if logarithmic else values
        ax.plot(at, drawn, color=tint, linestyle=stroke, linewidth=1.5, zorder=4, label=name)
    ax.plot(0, profile.value, "o", color="white", markeredgecolor=INK, markersize=6, zorder=5)
    if logarithmic:
        ax.set_yscale("log")
        ax.set_ylim(floor / 2, high * 3)
        if high < floor * 1e4:
            plain_ticks(ax.yaxis, LogLocator(numticks=8))
    else:
        ax.set_ylim(low - 3 * room, high + 2 * room)
    ax.set_xlim(float(at[0]), float(at[-1]))
    ax.tick_params(labelsize=9)


def profile_legend(figure: Figure, ax: Axes) -> None:
    """Explain the lines of `profile_panel` above a figure."""
    handles, labels = ax.get_legend_handles_labels()
    (dashed,) = ax.plot([], [], color="#0072B2", linestyle=(0, (2, 1)), linewidth=1.8)
    (changed,) = ax.fill(np.nan, np.nan, color="0.9")
    figure.legend(
        [*handles, dashed, changed],
        [*labels, "outside the box", "label has changed"],
        loc="outside upper center", ncols=3, fontsize=10, frameon=False,
    )  # fmt: skip
