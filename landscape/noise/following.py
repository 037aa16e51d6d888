"""What an optimisation reached at each point of its way, as the reference classifier sees it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from attacks.trajectories import Trajectories
from core.errors import InputError
from landscape.loss import Loss, example_ids, finite, precise
from landscape.noise.ways import progress, turning

_AT_ONCE = 2**23  # numbers of points whose geometry is computed at once: 64 MiB in float64


def followed(
    loss: Loss,
    images: Tensor,
    way: Trajectories,
    *,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Return what recorded ways passed through, one row per example and point that it reached.

    The loss is evaluated by the classifier of `loss` at every point, whatever classifier, noisy or
    not, gave the gradients.

    Args:
        loss: of the true classes, one label per example.
        images: `(n, ...)` the genuine images.
        way: with the points.
        ids: names of the examples, by default their positions.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Returns:
        Columns `id`, `run`, `step`, `spent` (gradients before the point), `loss`, `fooled` (another
        class is predicted), `l2` (distance from the image), `cosine` (between the steps to and from
        the point, see `ways.turning`), `way` and `net` (see `ways.progress`).

    Raises:
        InputError: the points were not recorded, or the loss is not finite.

    Cost: one forward pass per point, beside what the attack has spent.
    """
    if way.points is None:
        raise InputError("way: its points are needed; record them with record=True.")
    names = np.array(example_ids(ids, len(images)), dtype=object)
    rows, columns = (~way.length.isnan()).nonzero(as_tuple=True)
    values, kept = _evaluated(loss, way.points, images.device, rows, columns, batch_size)
    lengths, cosines, ways, nets = _geometry(images, way)
    place = (rows, columns)
    return pd.DataFrame(
        {
            "id": names[rows.numpy()],
            "run": way.run[columns].numpy(),
            "step": way.step[columns].numpy(),
            "spent": way.spent[columns].numpy(),
            "loss": values.numpy(),
            "fooled": ~kept.numpy(),
            "l2": lengths[place].numpy(),
            "cosine": cosines[place].numpy(),
            "way": ways[place].numpy(),
            "net": nets[place].numpy(),
        }
    )


def _evaluated(
    loss: Loss, points: Tensor, device: torch.device, rows: Tensor, columns: Tensor, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Return the loss at some points, float64, and whether the label is predicted, `(m,)` each."""
    values = [torch.zeros(0, dtype=torch.float64)]
    kept = [torch.zeros(0, dtype=torch.bool)]
    with torch.no_grad():
        for row, column in zip(rows.split(batch_size), columns.split(batch_size), strict=True):
            if len(row):
                part = loss.select(row)
                logits = part.logits(points[row, column].to(device))
                values.append(precise(part.of_logits(logits)))
                kept.append(part.kept(logits).cpu())
    return finite(torch.cat(values)), torch.cat(kept)


def _geometry(images: Tensor, way: Trajectories) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return distances from the image, cosines, lengths of ways and net distances, `(n, t)`."""
    assert way.points is not None
    each = max(1, way.points[0].numel()) if len(images) else 1
    found = []
    for part in torch.arange(len(images)).split(max(1, _AT_ONCE // each)):
        points = way.points[part]
        away = (points.double() - images[part].cpu().double().unsqueeze(1)).flatten(2)
        distance = torch.linalg.vector_norm(away, dim=2)
        found.append((distance, turning(points, way.run), *progress(points, way.run)))
    if not found:
        nothing = torch.zeros(0, len(way.run), dtype=torch.float64)
        return nothing, nothing, nothing, nothing
    distance, cosine, length, net = (torch.cat(parts) for parts in zip(*found, strict=True))
    return distance, cosine, length, net
