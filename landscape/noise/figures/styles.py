"""Colours and markers of recipes: the colour says the family, the marker which of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.report.groups import GroupStyle
from core.report.versions import GENUINE
from landscape.figures import Groups
from landscape.noise.recipes import CLASSIFIER, CONTROL, INJECTED, MINIMUM, REFERENCE, RULE

COLORS = {
    CONTROL: "#6E6E6E",
    REFERENCE: "#222222",
    RULE: "#0072B2",
    INJECTED: "#D55E00",
    CLASSIFIER: "#AA4499",
    MINIMUM: "#009E73",
}
# Members of one family side by side, in panels of their own.
_MEMBERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1)))


@dataclass(frozen=True)
class Look:
    """How a recipe is drawn.

    Attributes:
        color: of its family.
        marker: of its own within the family.
        member: a colour of its own within the family, for panels that show one family.
        line: the same as a style of line.
    """

    color: str
    marker: str
    member: str
    line: Any


def looks(families: Mapping[str, str]) -> dict[str, Look]:
    """Return the look of every recipe, given its family."""
    seen: dict[str, int] = {}
    found = {}
    for recipe, family in families.items():
        place = seen.setdefault(family, 0)
        seen[family] += 1
        found[recipe] = Look(
            COLORS[family],
            "*" if family == REFERENCE else _MARKERS[place % len(_MARKERS)],
            COLORS[REFERENCE] if family == REFERENCE else _MEMBERS[place % len(_MEMBERS)],
            _LINES[place % len(_LINES)],
        )
    return found


class Families(Groups):
    """The recipes as the shared figures of example groups show them, in the colours used here."""

    def __init__(self, families: Mapping[str, str], labels: Mapping[str, str]) -> None:
        super().__init__({recipe: labels[recipe] for recipe in families})
        self._families = looks(families)

    def look(self, group: str) -> GroupStyle:
        """Return colour and marker of a recipe; genuine images keep theirs."""
        if group == GENUINE:
            return super().look(group)
        return GroupStyle(self._families[group].color, self._families[group].marker)
