"""Differences between ways of training, with intervals over seeds and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from attacks.recipe_lists import unique_labels
from core.statistics import Interval, bootstrap, crossed_mean, holm, sign_flip_test

if TYPE_CHECKING:
    from autoencoders.augment.study import AugmentStudy

NONE, NOISE, AUTOENCODER = "none", "noise", "autoencoder"
COMPARED = ((AUTOENCODER, NONE), (AUTOENCODER, NOISE), (NOISE, NONE))
"""First minus second."""
TITLES = {NONE: "none", NOISE: "noise", AUTOENCODER: "autoencoder"}
LEVEL = 0.05
"""Adjusted p values below it are differences shown."""


@dataclass(frozen=True)
class Measure:
    """What is compared: a column of the judged images.

    Attributes:
        column: its name.
        title: what it is called.
        unit: of what is said of it.
        scale: from the column to the unit.
    """

    column: str
    title: str
    unit: str
    scale: float = 1.0


def measures(attacks: Sequence[str]) -> list[Measure]:
    """Return the measures of a study with these attacks."""
    names = unique_labels(attacks).values()
    return [
        Measure("right", "clean accuracy", "points", 100),
        *(
            Measure(f"robust{i}", f"accuracy under {name}", "points", 100)
            for i, name in enumerate(names)
        ),
        Measure("gradient", "gradient of the loss", "nats per unit"),
        Measure("slope", "slope of the log-odds", "nats per unit"),
        Measure("rise", "rise under noise", "nats"),
    ]


def of_way(table: pd.DataFrame, arm: str, layer: str, start: str) -> pd.DataFrame:
    """Return the rows of one way of training; the one without moves has no layer."""
    own = "" if arm == NONE else layer
    return table[(table["arm"] == arm) & (table["layer"] == own) & (table["start"] == start)]


def differences(study: AugmentStudy, table: pd.DataFrame, read: pd.DataFrame) -> pd.DataFrame:
    """Return every difference with its interval and p value, Holm-corrected over all of them.

    Differences between trainings are paired by seed and by image, and their intervals say what
    other seeds and other images might have given (`core.statistics.crossed_mean`). Differences of
    what moves do (measure `class_changed`) are paired by image: no classifier is trained for them.

    Args:
        study: its settings.
        table: the judged images of all trainings.
        read: the moves that were read.

    Returns:
        Columns layer, start, first, second, measure, title, unit, estimate, low, high (in the
        unit), p, p_holm, shown, seeds, n, each (of every seed).
    """
    rows = []
    for layer in study.layers:
        start = study.start_of(layer)
        for first, second in COMPARED:
            for measure in measures(study.attacks):
                a, b = (
                    of_way(table, arm, layer, start)
                    .pivot(index="number", columns="id", values=measure.column)
                    .astype(float)
                    for arm in (first, second)
                )
                found = crossed_mean(measure.scale * (a - b[a.columns]).to_numpy())
                rows.append(
                    {
                        "layer": layer,
                        "start": start,
                        **_row(first, second, measure, found.interval, found.p),
                        "seeds": len(a),
                        "n": a.shape[1],
                        "each": found.each.tolist(),
                    }
                )
        rows.append({"layer": layer, "start": start, **_of_moves(study, read, layer)})
    found_all = pd.DataFrame(rows)
    found_all["p_holm"] = holm(found_all["p"])
    found_all["shown"] = found_all["p_holm"] < LEVEL
    return found_all


def _of_moves(study: AugmentStudy, read: pd.DataFrame, layer: str) -> dict[str, object]:
    """Compare how often the two moves change the class of the nearest training example."""
    own = read[read["layer"] == layer].pivot(index="id", columns="move", values="class_changed")
    a, b = 100 * own[AUTOENCODER].to_numpy(), 100 * own[NOISE].to_numpy()
    measure = Measure("class_changed", "class of the nearest example changed", "points", 100)
    return {
        **_row(AUTOENCODER, NOISE, measure, bootstrap(a - b, seed=study.seed),
               sign_flip_test(a, b, seed=study.seed)),
        "seeds": 0,
        "n": len(own),
        "each": [],
    }  # fmt: skip


def _row(
    first: str, second: str, measure: Measure, interval: Interval, p: float
) -> dict[str, object]:
    return {
        "first": first,
        "second": second,
        "measure": measure.column,
        "title": measure.title,
        "unit": measure.unit,
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "p": p,
    }


def means(study: AugmentStudy, table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of every measure for every way of training, and its range over the seeds."""
    rows = []
    for layer in study.layers:
        start = study.start_of(layer)
        for arm in (NONE, NOISE, AUTOENCODER):
            own = of_way(table, arm, layer, start)
            row: dict[str, object] = {"layer": layer, "start": start, "moves": TITLES[arm]}
            for measure in [*measures(study.attacks), Measure("loss", "loss", "nats")]:
                each = measure.scale * own.groupby("number")[measure.column].mean().to_numpy(float)
                row[f"{measure.title} ({measure.unit})"] = _with_range(each)
            rows.append(row)
    return pd.DataFrame(rows)


def _with_range(each: np.ndarray) -> str:
    width = float(np.ptp(each)) or abs(float(each.mean())) or 1.0
    decimals = int(np.clip(2 - np.floor(np.log10(width)) - 1, 0, 5))
    low, mean, high = (f"{v:.{decimals}f}" for v in (each.min(), each.mean(), each.max()))
    return f"{mean} ({low} to {high})".replace("-", "\N{MINUS SIGN}")
