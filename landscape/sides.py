"""One group of examples beside genuine images: twins, partners of equal loss, and controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from attacks.verified_rows import SUCCESS
from core.report.versions import GENUINE
from core.statistics import Balance, match, matching_balance
from landscape.groups.same_class import control_of
from landscape.measures import LOSS

LEAST_PAIRS = 20
"""Fewer pairs than this make no claim, raw or matched."""


def twins(table: pd.DataFrame, group: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of a group that count and those of their genuine twins, in one order.

    What counts is what verification called a success: a fooled classifier or, for a noise control,
    a step of the asked length, from a genuine image that was classified correctly.
    """
    rows = table[table["group"] == group]
    genuine = table[(table["group"] == GENUINE) & ~table["pool"]].set_index("id")
    kept = rows[(rows["status"] == SUCCESS) & rows["loss"].notna()].set_index("id")
    return kept, genuine.loc[kept.index]


def covariate(table: pd.DataFrame, loss: str) -> np.ndarray:
    """Return what examples are matched on: the loss at the centre, on a log scale where it has one.

    Losses span ten orders of magnitude, and near 0 every flatness measure is proportional to the
    loss, so that equal means equal up to a factor. The margin is a difference of logits already.
    """
    values = table["loss"].to_numpy(dtype=float)
    if loss == "margin":
        return values
    return np.log(np.maximum(np.abs(values), np.finfo(np.float64).tiny))


@dataclass(frozen=True)
class Side:
    """One group beside genuine images: its twins, partners of equal loss, and its control."""

    ours: pd.DataFrame
    genuine: pd.DataFrame
    partners: pd.DataFrame
    matched: tuple[np.ndarray, np.ndarray]
    balance: Balance | None
    control: pd.DataFrame

    def twins(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a measure of the group and of its twins, where both have it."""
        ours, genuine = self.ours[name].to_numpy(float), self.genuine[name].to_numpy(float)
        both = np.isfinite(ours) & np.isfinite(genuine)
        return ours[both], genuine[both]

    def partnered(self, name: str) -> Partnered:
        """Return a measure of the group and of all partners, and who is matched with whom."""
        values, others = self.ours[name].to_numpy(float), self.partners[name].to_numpy(float)
        a, b = self.matched
        both = np.isfinite(values[a]) & np.isfinite(others[b])
        enough = self.balance is not None and self.balance.enough and both.sum() >= LEAST_PAIRS
        return Partnered(np.nan_to_num(values), np.nan_to_num(others), a[both], b[both], enough)

    def controlled(self, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return those of the group that have a control, and these, where both have a measure."""
        ours = self.ours.loc[self.control.index]
        both = np.isfinite(ours[name].to_numpy(float)) & np.isfinite(
            self.control[name].to_numpy(float)
        )
        return ours[both], self.control[both]

    def origins(self, controls: pd.DataFrame) -> tuple[list[str], list[str]] | None:
        """Return the genuine images that examples and their controls were made from, if known.

        One may have given several controls, and an adversarial example besides.
        """
        if "donor" not in controls:
            return None
        return list(map(str, controls.index)), list(map(str, controls["donor"]))

    def pairs(self, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the pairs of samples that a measure is compared on."""
        found = [self.twins(name)]
        partnered = self.partnered(name)
        if partnered.enough:
            found.append(partnered.pairs())
        controlled = tuple(side[name].to_numpy(float) for side in self.controlled(name))
        return [(a, b) for a, b in [*found, controlled] if len(a) >= LEAST_PAIRS]

    def described(self) -> dict[str, Any]:
        """Return how many could be matched, and how alike the losses then are."""
        if self.balance is None:
            return {"pairs": 0, "of": len(self.ours), "enough": False}
        return {
            "pairs": self.balance.n,
            "of": self.balance.of,
            "difference before (sd)": self.balance.difference_before,
            "difference after (sd)": self.balance.difference_after,
            "enough": self.balance.enough,
        }


@dataclass(frozen=True)
class Partnered:
    """A measure of a group, of genuine images, and the places of those of equal loss in both."""

    values: np.ndarray
    others: np.ndarray
    left: np.ndarray
    right: np.ndarray
    enough: bool

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the measure of the matched ones, side by side."""
        return self.values[self.left], self.others[self.right]


def side_of(table: pd.DataFrame, group: str, partners: pd.DataFrame, loss: str) -> Side:
    """Return a group beside genuine images.

    Args:
        table: as `landscape.compare` takes it.
        group: of the table.
        partners: the rows of genuine images that may be partners.
        loss: decides the covariate.
    """
    ours, genuine = twins(table, group)
    others = _twins_first(partners, genuine)
    control = _control(table, group, ours)
    nobody = np.empty(0, dtype=np.intp)
    if len(ours) < LEAST_PAIRS:
        return Side(ours, genuine, others, (nobody, nobody), None, control)
    left, right = covariate(ours, loss), covariate(others, loss)
    matched = match(left, right)
    balance = matching_balance(left, right, *matched, minimum=LEAST_PAIRS)
    return Side(ours, genuine, others, matched, balance, control)


def _control(table: pd.DataFrame, group: str, ours: pd.DataFrame) -> pd.DataFrame:
    """Return the control images of a group that counts, by the ids of its examples."""
    rows = table[(table["group"] == control_of(group)) & (table["status"] == SUCCESS)]
    rows = rows[rows[LOSS].notna()].set_index("id")
    return rows.loc[rows.index.intersection(ours.index, sort=False)]


def _twins_first(partners: pd.DataFrame, genuine: pd.DataFrame) -> pd.DataFrame:
    """Return the possible partners of a group, its twins in front: row i of both is one example."""
    others = partners.set_index("id")
    return pd.concat([genuine, others[~others.index.isin(genuine.index)]])
