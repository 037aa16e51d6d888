"""What the columns of a table of measures hold, for comparisons, figures and words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from landscape.columns import column, radii_in

LOSS = "loss"
"""The column of the loss at the image itself: what examples are matched on."""


@dataclass(frozen=True)
class Measure:
    """What a column holds.

    Attributes:
        name: of the column, or what it begins with, before `@`.
        title: in words.
        unit: of its values.
        axis: what the `@` of the column counts, with its unit; empty for a single column.
        logarithmic: whether values span orders of magnitude, so that ratios are spoken of.
        short: the title for narrow panels.
        family: the panel of figures and tables that it belongs to.
        symbol: of what the axis counts, for titles.
        detector: whether it can be measured without knowing the genuine image or its label.
    """

    name: str
    title: str
    unit: str
    axis: str = ""
    logarithmic: bool = True
    short: str = ""
    family: str = ""
    symbol: str = "r"
    detector: bool = True


Measures = Mapping[str, Measure]
"""Measures by name."""


def by_name(measures: Iterable[Measure]) -> dict[str, Measure]:
    """Return measures by name, in their order."""
    return {measure.name: measure for measure in measures}


def measure_of(column_name: str, measures: Measures) -> Measure:
    """Return the measure that a column holds; the loss is always known."""
    if column_name == LOSS:
        return Measure(LOSS, "loss at the centre", "nats")
    return measures[column_name.partition("@")[0]]


def title(column_name: str, measures: Measures, *, short: bool = False) -> str:
    """Return the title of a column of the table, with its radius.

    >>> measures = by_name([Measure("rise", "rise under noise", "nats", "l2 radius", short="rise")])
    >>> title("rise@0.2", measures, short=True), title("loss", measures)
    ('rise, r = 0.2', 'loss at the centre')
    """
    _, _, radius = column_name.partition("@")
    measure = measure_of(column_name, measures)
    shown = (measure.short if short else "") or measure.title
    return f"{shown}, {measure.symbol} = {float(radius):.3g}" if radius else shown


def headline_columns(columns: Iterable[str], measures: Measures) -> dict[str, Measure]:
    """Return the columns that are compared: single measures, and curves at their middle radius.

    >>> measures = by_name([Measure("rise", "", "", "radius"), Measure("norm", "", "")])
    >>> list(headline_columns(["norm", "rise@1", "rise@2", "rise@4", "id"], measures))
    ['rise@2', 'norm']
    """
    known = list(columns)
    chosen: dict[str, Measure] = {}
    for measure in measures.values():
        if measure.axis:
            radii = radii_in(known, measure.name)
            if radii:
                chosen[column(measure.name, radii[len(radii) // 2])] = measure
        elif measure.name in known:
            chosen[measure.name] = measure
    return chosen
