"""What lines through every image of a block show, in one table, one row per example."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from landscape.columns import column
from landscape.loss import Loss, precise
from landscape.measures import Measure, by_name
from landscape.predictions import predictions
from landscape.slices.changes import first_change, ladder
from landscape.slices.directions import (
    eigenvector_directions,
    gradient_directions,
    random_directions,
    towards,
    unit,
)
from landscape.slices.evaluation import MARK
from landscape.slices.kinds import ALONG, EIGENVECTOR, GRADIENT, RANDOM, TWIN
from landscape.slices.lines import line, local_reach

MEASURES = by_name(
    Measure(
        f"{kind}_change", f"distance to the change of label along {ALONG[kind]}", "input units",
        short=f"change along {ALONG[kind]}", family="distance to the boundary",
    )
    for kind in (GRADIENT, EIGENVECTOR, RANDOM)
)  # fmt: skip
"""What is compared between groups; the way to the twin has no match in other images."""

LOCAL_STEPS = 17
"""Distances at which tangent and parabola are checked: half octaves up to the radius."""


def measure(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    kinds: Sequence[str],
    radius: float,
    reach: float,
    points: int = 41,
    twins: Tensor | None = None,
    ids: Sequence[str] | None = None,
    box: str = MARK,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Follow lines from every image, along every kind of direction.

    The loss is the cross-entropy of the label that the classifier predicts at the image itself.

    Args:
        classifier: images `(n, c, h, w)` in [0, 1] to logits `(n, k)`; frozen, in eval mode.
        images: `(n, c, h, w)`; a row that is not finite gets a row of NaN.
        labels: true labels `(n,)`.
        kinds: of directions, among `random`, `gradient`, `eigenvector` and `twin`.
        radius: l2 length that lines are drawn to, on either side.
        reach: l2 length up to which the first change of the label is looked for.
        points: of a line, odd.
        twins: `(n, c, h, w)`, NaN where an example has none; needed for the kind `twin`.
        ids: names of the examples, by default their positions.
        box: what to do beyond [0, 1]: `mark` or `clip`.
        seed: with an example's id, names its streams of random numbers.
        batch_size: rows per forward pass.

    Returns:
        One row per example: id, label, reference_label, prediction, confidence, loss, margin,
        `way` (l2 to the twin), and for each kind K: `K_change` (distance to the first label change;
        the reach where there was none), `K_changed`, `K_to` (the class then), `K_change_inside`
        (the box), `K_slope` and `K_curvature` at the image, `K_tangent_reach` and
        `K_parabola_reach`, `K_cosine` (with the way to the twin) and `K_captured` (the share of the
        squared way to the twin that lies in the plane of that kind). On the line at signed
        distances: `K_loss@t`, `K_margin@t`, `K_kept@t`, `K_inside@t`. NaN where an example has no
        such direction.

    Cost per kind: at most `points + 60` forward passes, one backward pass and one product with the
    Hessian; the directions cost one forward and at most 64 backward passes more.
    """
    names = [str(i) for i in range(len(images))] if ids is None else [str(i) for i in ids]
    usable = images.flatten(1).isfinite().all(1)
    known = pd.DataFrame({"id": names, "label": labels.cpu().numpy()})
    if not usable.any():
        return known
    x, own = (
        images[usable],
        [name for name, fine in zip(names, usable.tolist(), strict=True) if fine],
    )
    with torch.no_grad():
        logits = torch.cat([classifier(part) for part in x.split(batch_size)])
    reference = logits.argmax(1)
    loss = Loss(classifier, reference)
    exact = precise(logits)
    columns: dict[str, object] = {
        "id": own,
        "reference_label": reference,
        "prediction": reference,
        "confidence": exact.softmax(1).amax(1),
        "loss": loss.of_logits(exact),
        "margin": -Loss(classifier, reference, "margin").of_logits(exact),
    }
    planes = _planes(loss, x, kinds, seed, own, batch_size)
    ways = None
    if twins is not None:
        ways = towards(x, twins[usable].nan_to_num())
        there = twins[usable].flatten(1).isfinite().all(1) & (ways.flatten(1) != 0).any(1)
        ways = ways * there.reshape(-1, *[1] * (x.ndim - 1))
        distance = torch.linalg.vector_norm((twins[usable] - x).flatten(1).double(), dim=1)
        columns["way"] = torch.where(there, distance, torch.nan)
    directions = {kind: axes[:, 0] for kind, axes in planes.items()}
    if TWIN in kinds and ways is not None:
        directions[TWIN] = ways
    for kind, direction in directions.items():
        columns |= _along(
            kind, loss, x, direction, radius=radius, reach=reach, points=points, box=box,
            batch_size=batch_size,
        )  # fmt: skip
    if ways is not None:
        for kind, axes in planes.items():
            shares = torch.einsum("nmd,nd->nm", axes.flatten(2).double(), ways.flatten(1).double())
            has = (ways.flatten(1) != 0).any(1)
            columns[f"{kind}_cosine"] = torch.where(has, shares[:, 0], torch.nan)
            columns[f"{kind}_captured"] = torch.where(has, shares.square().sum(1), torch.nan)
    table = pd.DataFrame(
        {k: v.cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    )
    return known.merge(table, on="id", how="left", validate="one_to_one")


def way_between(
    classifier: nn.Module,
    genuine: Tensor,
    others: Tensor,
    *,
    reach: float,
    box: str = MARK,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Return where on the way from each genuine image to another its label is first lost.

    Returns:
        `from_genuine_change` and `from_genuine_changed`: distance, and whether it was lost within
        the reach; NaN where the other image is not finite, or the same.

    Cost: at most 44 forward passes per example.
    """
    ways = towards(genuine, others.nan_to_num())
    there = others.flatten(1).isfinite().all(1) & (ways.flatten(1) != 0).any(1)
    own = predictions(classifier, genuine, batch_size)
    found = first_change(
        Loss(classifier, own), genuine, ways, reach, box=box, batch_size=batch_size
    )
    here = there.cpu().numpy()
    return pd.DataFrame(
        {
            "from_genuine_change": np.where(here, found.distance.numpy(), np.nan),
            "from_genuine_changed": np.where(here, found.changed.numpy(), np.nan),
        }
    )


def _planes(
    loss: Loss, x: Tensor, kinds: Sequence[str], seed: int, ids: Sequence[str], batch_size: int
) -> dict[str, Tensor]:
    """Return the axes of the planes of each kind, the first of which is the direction of a line.

    Where the second eigenvector is 0 the plane is a line; where there is no direction, nothing.
    """
    found: dict[str, Tensor] = {}
    random = random_directions(x, 2, seed=seed, ids=ids)
    if RANDOM in kinds:
        found[RANDOM] = random
    if GRADIENT in kinds:
        gradient = gradient_directions(loss, x, batch_size=batch_size)
        across = random[:, 0] - gradient * _inner(random[:, 0], gradient)
        found[GRADIENT] = torch.stack([gradient, unit(across)], 1)
    if EIGENVECTOR in kinds:
        count = min(2, x[0].numel())
        found[EIGENVECTOR] = eigenvector_directions(
            loss, x, count, seed=seed, ids=ids, batch_size=batch_size
        )
    return found


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """Return inner products of the examples, shaped to multiply with them."""
    return (a * b).flatten(1).sum(1).reshape(-1, *[1] * (a.ndim - 1))


def _along(
    kind: str,
    loss: Loss,
    x: Tensor,
    direction: Tensor,
    *,
    radius: float,
    reach: float,
    points: int,
    box: str,
    batch_size: int,
) -> dict[str, Tensor]:
    """Return the columns of one kind of line; NaN where the direction is 0."""
    has = (direction.flatten(1) != 0).any(1).cpu()
    drawn = line(loss, x, direction, radius, points=points, box=box, batch_size=batch_size)
    change = first_change(loss, x, direction, reach, box=box, batch_size=batch_size)
    steps = ladder(radius / 256, radius, LOCAL_STEPS)
    local = local_reach(loss, x, direction, drawn.taylor, steps, batch_size=batch_size)
    columns: dict[str, Tensor] = {
        f"{kind}_change": change.distance,
        f"{kind}_changed": change.changed,
        f"{kind}_to": change.label,
        f"{kind}_change_inside": change.inside,
        f"{kind}_slope": drawn.taylor.slope,
        f"{kind}_curvature": drawn.taylor.curvature,
        **{f"{kind}_{name}_reach": values for name, values in local.items()},
    }
    seen = drawn.seen
    curves = {"loss": seen.loss, "margin": seen.margin, "kept": seen.kept, "inside": seen.inside}
    for name, values in curves.items():
        for i, t in enumerate(drawn.distances.tolist()):
            columns[column(f"{kind}_{name}", t)] = values[:, i]
    return {k: torch.where(has, v.double(), torch.nan) for k, v in columns.items()}
