"""Colours of classes and marks of points: the same in all panels of a figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb

# Okabe and Ito's colours, which readers with any colour vision can tell apart, and two darker.
PALETTE = (
    "#0072B2", "#E06000", "#009E73", "#CC79A7", "#E8B800", "#56B4E9", "#882255", "#4B3F00",
)  # fmt: skip
REST = "#C8C8C8"
"""Of all classes that have no colour of their own."""
REST_NAME = "other classes"


@dataclass(frozen=True)
class Look:
    """How the classes of a figure are drawn.

    Attributes:
        colours: of the classes that are named, the most important first.
        names: of all classes, or empty: then they are numbered.
    """

    colours: Mapping[int, str]
    names: Sequence[str] = ()

    def colour(self, of: int) -> str:
        """Return the colour of a class."""
        return self.colours.get(of, REST)

    def name(self, of: int) -> str:
        """Return the name of a class."""
        return str(self.names[of]) if self.names else f"class {of}"

    def shown(self, classes: Iterable[int]) -> list[tuple[str, str]]:
        """Return name and colour for a legend of these classes, the unnamed ones as one."""
        here = set(classes)
        found = [(self.name(c), colour) for c, colour in self.colours.items() if c in here]
        return found + [(REST_NAME, REST)] * bool(here - set(self.colours))


def class_look(
    classes: Iterable[int], names: Sequence[str] = (), *, first: Iterable[int] = ()
) -> Look:
    """Give classes their colours, at most eight; the rest is grey.

    Args:
        classes: the most important first.
        names: of all classes.
        first: classes that come before these, such as that of the genuine image.

    >>> class_look([7, 3, 5], first=[3]).colours[3]
    '#0072B2'
    """
    ordered = list(dict.fromkeys([*(int(c) for c in first), *(int(c) for c in classes)]))
    return Look(dict(zip(ordered, PALETTE, strict=False)), names)


@dataclass(frozen=True)
class Mark:
    """How a point is marked."""

    marker: str
    size: float


MARKS = {
    "genuine": Mark("o", 9.0),
    "adversarial": Mark("D", 8.0),
    "other": Mark("s", 8.0),
}
SPARE_MARKS = (Mark("^", 9.0), Mark("v", 9.0), Mark("P", 9.0), Mark("X", 9.0))


def marks(names: Iterable[str]) -> dict[str, Mark]:
    """Return a mark for every point, the known ones their own."""
    listed = list(names)
    unknown = [name for name in listed if name not in MARKS]
    spare = {n: SPARE_MARKS[i % len(SPARE_MARKS)] for i, n in enumerate(unknown)}
    return {name: MARKS.get(name) or spare[name] for name in listed}


def tinted(colour: str, strength: np.ndarray | float) -> np.ndarray:
    """Mix a colour with white: strength 1 is the colour, 0 is white; `(..., 3)` in [0, 1].

    >>> tinted("#000000", 0.25)
    array([0.75, 0.75, 0.75])
    """
    share = np.asarray(strength, dtype=float)[..., None]
    mixed: np.ndarray = 1 - share * (1 - np.array(to_rgb(colour)))
    return mixed
