"""What a study of slices found, in words with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.report import Finding, words
from core.report.versions import GENUINE
from core.statistics import Interval
from landscape.comparison import LEAST_PAIRS
from landscape.slices.kinds import ALONG, EIGENVECTOR, GRADIENT, RANDOM
from landscape.slices.summaries import times_as_far


@dataclass(frozen=True)
class Summaries:
    """The tables of `landscape.slices.summaries` of one study."""

    distances: pd.DataFrame
    profiles: pd.DataFrame
    ways: pd.DataFrame
    local: pd.DataFrame
    captured: pd.DataFrame


def slice_findings(
    table: pd.DataFrame,
    summaries: Summaries,
    kinds: Sequence[str],
    labels: Mapping[str, str],
    twins: str | None,
    reach: float,
    pixels: int,
    *,
    seed: int = 0,
) -> list[Finding]:
    """Return what the lines through genuine images say, the answer first.

    Args:
        table: of the study, see `measures.measure`.
        summaries: of the table.
        kinds: of directions.
        labels: short names of the groups.
        twins: the attack that made the twins of the genuine images.
        reach: how far changes of the label were looked for.
        pixels: dimensions of an image.
        seed: of the bootstrap.
    """
    found = [_boundary(table, summaries.distances, kinds, reach, seed)]
    found += _way(summaries.ways, labels, twins)
    found += _local(summaries.local)
    found += _captured(summaries.captured, pixels)
    return found


def _boundary(
    table: pd.DataFrame, distances: pd.DataFrame, kinds: Sequence[str], reach: float, seed: int
) -> Finding:
    """Say how far the label of genuine images lasts in which direction."""
    rows = {str(r["kind"]): r for _, r in distances[distances["group"] == GENUINE].iterrows()}
    n = max((int(row["n"]) for row in rows.values()), default=0)
    if n < LEAST_PAIRS:
        return Finding(
            f"{n} genuine images that are classified correctly are too few for a claim (at least "
            f"{LEAST_PAIRS} are needed)."
        )
    known = [kind for kind in kinds if rows[kind]["n"]]
    said = [f"{distance_in_words(rows[kind], reach)} along {ALONG[kind]}" for kind in known]
    text = (
        f"From a genuine image the label first changes after a median l2 distance of "
        f"{words.several(said)}."
    )
    compared = times_as_far(table, RANDOM, GRADIENT, seed=seed) if RANDOM in kinds else None
    if compared is None:
        return Finding(text)
    ratio, count, never = compared
    least = "at least " if never else ""
    reason = (
        f"; {never} labels never changed along a random direction within the reach of {reach:.3g}, "
        "and count as if they had there"
        if never
        else ""
    )
    return Finding(
        f"{text} It lasts {least}{words.interval(ratio)} times as far along a random direction as "
        f"along the gradient (geometric mean over {count} images{reason}).",
        bool(ratio.excludes(1.0)),
    )


def distance_in_words(row: pd.Series, reach: float) -> str:
    """Return a median distance with its interval, or that it is beyond the reach.

    >>> distance_in_words(pd.Series({"median": 8.0, "low": 7.0, "high": 8.0}), 8.0)
    'more than 8'
    """
    if not np.isfinite(row["median"]):
        return "n/a"
    if row["median"] >= reach:
        return f"more than {reach:.3g}"
    return words.interval(Interval(float(row["median"]), float(row["low"]), float(row["high"])))


def _way(ways: pd.DataFrame, labels: Mapping[str, str], twins: str | None) -> list[Finding]:
    """Say where on the way to its twin the label of a genuine image changes."""
    rows = ways[(ways["group"] == twins) & (ways["n"] >= LEAST_PAIRS)] if len(ways) else ways
    if not len(rows):
        return []
    row = rows.iloc[0]
    forth, back = (
        f"{words.percent(row[name])} [{words.percent(row[f'{name}_low'])}, "
        f"{words.percent(row[f'{name}_high'])}]"
        for name in ("forth", "back")
    )
    return [
        Finding(
            f"On the way to its {labels[str(twins)]} twin (median l2 length "
            f"{words.number(row['way'])}) a genuine image keeps its label for {forth} of the way; "
            f"going back, the twin keeps its own for {back} (medians of {int(row['n'])} pairs; "
            "other attacks in the table).",
            about=twins,
        )
    ]


def _local(local: pd.DataFrame) -> list[Finding]:
    """Say how far the local picture of genuine images reaches."""
    enough = local[(local["group"] == GENUINE) & (local["n"] >= LEAST_PAIRS)]
    rows = {str(row["kind"]): row for _, row in enough.iterrows()}
    kinds = [kind for kind in (GRADIENT, EIGENVECTOR) if kind in rows]
    if not kinds:
        return []
    row, kind = rows[kinds[0]], kinds[0]
    tangent, parabola, change = (
        words.interval(Interval(row[name], row[f"{name}_low"], row[f"{name}_high"]))
        for name in ("tangent_reach", "parabola_reach", "change")
    )
    return [
        Finding(
            f"Along {ALONG[kind]}, slope and curvature at a genuine image tell the change of the "
            f"loss to within a fifth of it up to a median distance of {parabola}, the slope alone "
            f"up to {tangent}; the label lasts until {change}, "
            f"{words.number(float(row['change'] / row['parabola_reach']), 2)} times as far."
            if row["parabola_reach"] > 0
            else f"Along {ALONG[kind]}, not even slope and curvature at a genuine image tell the "
            f"change of the loss to within a fifth of it at the smallest distance that was tried; "
            f"the label lasts until {change}."
        )
    ]


def _captured(captured: pd.DataFrame, pixels: int) -> list[Finding]:
    """Say how little of the way to the twin a plane shows."""
    names = {
        RANDOM: "of two random directions",
        GRADIENT: "of the gradient and a random direction",
        EIGENVECTOR: "of the two top eigenvectors",
    }
    rows = captured[captured["n"] >= LEAST_PAIRS] if len(captured) else captured
    if not len(rows):
        return []
    said = [
        f"a plane {names[str(row['kind'])]} holds "
        + words.interval(Interval(row["mean"], row["low"], row["high"]), scale=100, unit="%")
        for _, row in rows.iterrows()
    ]
    return [
        Finding(
            f"What a plane does not show: of the squared length of the way from a genuine image to "
            f"its twin, {words.several(said)} (means of {int(rows['n'].max())} images; two of "
            f"{pixels:,} dimensions would by chance hold {words.number(200 / pixels)}%)."
        )
    ]
