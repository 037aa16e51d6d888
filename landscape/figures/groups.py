"""Example groups as figures show them: their names, their looks and the rows that count."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from core.report.groups import GroupStyle, group_styles
from core.report.versions import GENUINE
from landscape.sides import twins


class Groups:
    """The groups beside `genuine`, in the order of the report: their short names and looks."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self.labels = {GENUINE: GENUINE, **labels}
        self.names = list(labels)
        self._looks = group_styles(list(self.labels.values()))

    def look(self, group: str) -> GroupStyle:
        """Return colour and marker of a group."""
        return self._looks[self.labels[group]]


def counted(table: pd.DataFrame, group: str) -> pd.DataFrame:
    """Return the rows of a group that enter the comparisons."""
    if group != GENUINE:
        return twins(table, group)[0]
    rows = table[(table["group"] == GENUINE) & ~table["pool"]]
    return rows[rows["clean_correct"].astype(bool) & rows["loss"].notna()]


def label_below(figure: Figure, text: str) -> None:
    """Name what all panels of a figure have along their x axis."""
    figure.supxlabel(text, fontsize=10)
