"""What one unit of a study of noise computes: a block followed, drawn or measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from attacks import craft
from core.report.versions import GENUINE
from landscape.comparison import SUCCESS
from landscape.groups.study import Version
from landscape.loss import Loss
from landscape.noise.connections import joined, partners
from landscape.noise.drawn import drawn_ways
from landscape.noise.following import followed
from landscape.noise.measures import measured, said_by

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.noise.study import NoiseStudy


def follow(
    study: NoiseStudy, recipe: str, start: int, stop: int, run: RunDirectory
) -> pd.DataFrame:
    """Craft a block once more, recorded point by point: the very same points."""
    genuine, ids = study.version(GENUINE, start, stop, run), study.ids(start, stop)
    made = craft(
        study.classifier,
        genuine.images,
        genuine.labels,
        recipe,
        study.seed,
        ids=ids,
        batch_size=study.batch_size,
        record=True,
    )
    assert made.trajectories is not None
    loss = Loss(study.classifier, genuine.labels)
    table = followed(loss, genuine.images, made.trajectories, ids=ids, batch_size=study.batch_size)
    table.insert(0, "recipe", recipe)
    return table


def draw(study: NoiseStudy, start: int, stop: int, run: RunDirectory) -> pd.DataFrame:
    """Craft a block by all recipes, and project the ways from a few images on their plane."""
    genuine = study.version(GENUINE, start, stop, run)
    return drawn_ways(
        study.classifier,
        genuine.images,
        genuine.labels,
        study.followable,
        study.drawn_examples,
        ids=study.ids(start, stop),
        seed=study.seed,
        batch_size=study.batch_size,
    )


def measure(
    study: NoiseStudy, group: str, start: int, stop: int, run: RunDirectory
) -> pd.DataFrame:
    """Measure one block of one group, and show it to the other classifiers."""
    version = study.version(group, start, stop, run)
    table = measured(
        study.classifier,
        version.images,
        version.labels,
        radii=study.radii,
        worst_case_linf=study.worst_case_linf,
        ids=study.ids(start, stop),
        worst_case_steps=study.worst_case_steps,
        draws=study.draws,
        seed=study.seed,
        batch_size=study.batch_size,
    )
    table.insert(1, "group", group)
    table.insert(2, "pool", start >= len(study.attacked))
    said = said_by(study.other_classifiers, version.images, batch_size=study.batch_size)
    table = study.known_of(table.assign(**said), version)
    if group in study.groups and start < study.path_examples:
        return pd.concat([table, _connected(study, table, version, start, stop)], axis=1)
    return table


def _connected(
    study: NoiseStudy, table: pd.DataFrame, version: Version, start: int, stop: int
) -> pd.DataFrame:
    """Return how well the examples that count are connected to their twins and their classes."""
    rows = np.flatnonzero((table["status"] == SUCCESS).to_numpy())
    rows = rows[rows < study.path_examples - start]
    predicted = table["prediction"].to_numpy(dtype=np.int64, copy=True)
    ids = study.ids(start, stop)
    chosen = partners(
        predicted[rows].tolist(),
        [ids[i] for i in rows],
        [int(study.chosen.labels[i]) for i in study.right],
        [str(study.chosen.ids[i]) for i in study.right],
        seed=study.seed,
    )
    has = np.array([place >= 0 for place in chosen], dtype=bool)
    of_class = [study.right[place] for place in chosen if place >= 0]
    return joined(
        study.classifier,
        version.images,
        torch.from_numpy(predicted).to(version.labels),
        {
            "twin": (rows, study.chosen.tensors(start + rows, device=study.device)[0]),
            "class": (rows[has], study.chosen.tensors(of_class, device=study.device)[0]),
        },
        points=study.path_points,
        batch_size=study.batch_size,
    )
