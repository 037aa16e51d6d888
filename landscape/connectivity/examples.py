"""The pairs whose paths a report shows as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from landscape.connectivity.computing import pairs_of, rows_of
from landscape.connectivity.figures.strip import Strip
from landscape.connectivity.kinds import ADVERSARIAL, GENUINE, MIXED
from landscape.connectivity.paths import Paths, straight_line
from landscape.connectivity.ways import SEARCHES, STRAIGHT
from landscape.loss import Loss

if TYPE_CHECKING:
    from core.studies import RunDirectory
    from landscape.connectivity.study import ConnectivityStudy

_PICTURES = 7


def strips(
    study: ConnectivityStudy, run: RunDirectory, pairs: pd.DataFrame, attack: str, way: str
) -> list[Strip]:
    """Return pictures along the straight line and another path of some pairs.

    Of genuine-genuine, genuine-adversarial and adversarial-adversarial pairs, the one whose
    straight line rises highest.
    """
    straight = pairs[(pairs["path"] == STRAIGHT) & pairs["group"].isin(["", attack])]
    found = []
    for kind in (GENUINE, MIXED, ADVERSARIAL):
        rows = straight[straight["kind"] == kind]
        if len(rows):
            found += _of_pair(study, run, rows.iloc[int(rows["barrier"].argmax())], way)
    return found


def _of_pair(study: ConnectivityStudy, run: RunDirectory, row: pd.Series, way: str) -> list[Strip]:
    chosen = rows_of(run, row["kind"], row["group"], [row["number"]])
    pair = pairs_of(study, run, chosen)
    loss = Loss(study.classifier, pair.labels)
    line = straight_line(pair.first, pair.second)
    bent = SEARCHES[way](
        loss, pair.first, pair.second, threshold=study.threshold, budget=study.budget,
        batch_size=study.batch_size,
    )  # fmt: skip
    peak = torch.tensor([float(row["peak"])])
    change = (bent.points(peak) - line.points(peak))[0, 0].cpu().numpy()
    said = way.replace("_", " ")
    return [
        _strip(study, loss, line, f"{row['kind']}, straight line", None),
        _strip(study, loss, bent, f"{row['kind']}, {said}", change),
    ]


def _strip(
    study: ConnectivityStudy, loss: Loss, path: Paths, title: str, change: np.ndarray | None
) -> Strip:
    """Return what lies at equal steps of one path."""
    points = path.points(torch.linspace(0, 1, _PICTURES)).flatten(0, 1)
    with torch.no_grad():
        logits = loss.logits(points)
    names = study.all_images.class_names
    return Strip(
        title,
        points.cpu().numpy(),
        loss.of_logits(logits).tolist(),
        [names[int(k)] for k in logits.argmax(1)],
        loss.kept(logits).tolist(),
        change,
    )
