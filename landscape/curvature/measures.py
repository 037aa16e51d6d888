"""All curvature measures of a batch of images in one table, one row per example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from landscape.columns import column
from landscape.curvature.along import curvature_along
from landscape.curvature.boundary import Boundary, Lead, nearest_boundary
from landscape.curvature.catalogue import WAY_NAMES
from landscape.curvature.closed_form import SOME
from landscape.curvature.directions import ClassMeans, gradient_direction, towards
from landscape.curvature.hessian import LANCZOS, Curvature, input_hessian
from landscape.curvature.normal_curvature import boundary_curvature, boundary_curvature_along
from landscape.curvature.principal import principal_curvatures
from landscape.curvature.quadrature import hessian_quadrature
from landscape.loss import Loss

GRID = tuple(i / 25 for i in range(-27, 28))
"""Where the spectral density is given, in multiples of the largest magnitude of an eigenvalue."""
WIDTH = 0.04
"""Standard deviation of the Gaussian that smooths it, likewise."""
STEPS = 24
"""Of Lanczos from each random direction."""
ALL = 64
"""With more classes than this only some eigenvalues of the closed form are computed."""


@dataclass(frozen=True)
class Settings:
    """What is measured, and how finely.

    Attributes:
        method: of the spectrum: `exact`, `gauss_newton` or `lanczos`.
        spectrum: eigenvalues in the table.
        probes: random vectors: for estimated traces, and directions of the quadrature.
        boundary_steps: of the search for the nearest boundary point; 0 leaves the boundary out.
        boundary_radii: scales of its curvature, in input units.
        draws: tangent directions for it.
    """

    method: str
    spectrum: int
    probes: int
    boundary_steps: int
    boundary_radii: tuple[float, ...]
    draws: int


@dataclass(frozen=True)
class Surroundings:
    """What lies around a block of images, and gives directions from them.

    Attributes:
        own: the genuine image that each came from, `(n, ...)`: itself for a genuine one; NaN where
            there is none.
        own_labels: true classes of these, `(n,)`.
        twins: what each is compared with, `(n, ...)`: an adversarial one for a genuine image, the
            genuine one for all others; NaN where there is none.
        means: of the genuine images of each class.
    """

    own: Tensor
    own_labels: Tensor
    twins: Tensor
    means: ClassMeans


def measure(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    around: Surroundings,
    settings: Settings,
    *,
    ids: Sequence[str] | None = None,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Measure the curvature of the cross-entropy around every image, in every way known here.

    The cross-entropy is that of the label predicted at the image itself.

    Args:
        classifier: images `(n, c, h, w)` in [0, 1] to logits `(n, k)`; frozen, in eval mode.
        images: `(n, c, h, w)`; a row that is not finite gets a row of NaN.
        labels: true labels `(n,)`.
        around: the directions.
        settings: see `Settings`.
        ids: names of the examples, by default their positions.
        seed: with an example's id, names its streams of random numbers.
        batch_size: rows per pass.

    Returns:
        One row per example: id, label, prediction, confidence, loss, the `MEASURES`,
        `eigenvalue@1` and so on, `trace_norm` (the sum of the eigenvalues' magnitudes), the
        curvature along each direction (`along_gradient`, ..., `along_top` of the top eigenvector
        and `along_random`, the average over all), and by Lanczos `density@t` and the boundary's
        principal curvatures; standard errors under `_se`. `relative_...` is over `trace_norm / d`.
    """
    names = [str(i) for i in range(len(images))] if ids is None else [str(i) for i in ids]
    usable = images.flatten(1).isfinite().all(1)
    if not usable.all():
        kept = measure(
            classifier, images[usable], labels[usable],
            Surroundings(around.own[usable], around.own_labels[usable], around.twins[usable],
                         around.means),
            settings, seed=seed, batch_size=batch_size,
            ids=[name for name, fine in zip(names, usable.tolist(), strict=True) if fine],
        )  # fmt: skip
        known = pd.DataFrame({"id": names, "label": labels.cpu().numpy()})
        return known.merge(kept.drop(columns="label"), on="id", how="left", validate="one_to_one")
    with torch.no_grad():
        logits = torch.cat([classifier(part) for part in images.split(batch_size)])
    predicted = logits.argmax(1)
    landscape = Loss(classifier, predicted)
    common: dict[str, Any] = {"seed": seed, "ids": names, "batch_size": batch_size}
    columns: dict[str, Any] = {
        "id": names,
        "label": labels,
        "prediction": predicted,
        "confidence": logits.double().softmax(1).amax(1),
        "loss": landscape.of_logits(logits.double()),
    }
    found = _spectrum(landscape, images, logits.shape[1], settings, common, columns)
    _along(landscape, images, found, around, settings, columns, batch_size)
    if settings.boundary_steps:
        _boundary(classifier, images, found, settings, common, columns)
    return pd.DataFrame(
        {k: v.cpu().numpy() if isinstance(v, Tensor) else v for k, v in columns.items()}
    ).astype({"label": np.int64, "prediction": np.int64})


def _spectrum(
    loss: Loss,
    images: Tensor,
    classes: int,
    settings: Settings,
    common: dict[str, Any],
    columns: dict[str, Any],
) -> Curvature:
    """Add what the eigenvalues say, and return them."""
    whole = settings.method == "lanczos"
    # All of the closed form are cheap, unless there are many classes.
    top = settings.spectrum if whole else None if classes <= ALL else max(settings.spectrum, SOME)
    found = input_hessian(
        loss, images, method=settings.method, vectors=1, probes=settings.probes, top=top,
        classes=ALL, **common,
    )  # fmt: skip
    values = found.eigenvalues
    for i in range(min(settings.spectrum, values.shape[1])):
        columns[column("eigenvalue", i + 1)] = values[:, i]
    columns["hessian_top"], columns["hessian_top_error"] = found.top, found.error[:, 0]
    columns["hessian_trace"] = found.trace
    columns["hessian_trace_se"] = found.trace_standard_error
    columns["hessian_method"] = found.method
    if not whole:
        # Of many classes the squares of the eigenvalues left out would make the rank smaller.
        columns["effective_rank"] = _over(found.trace.square(), values.square().sum(1))
        columns["trace_norm"] = found.trace
        columns["top_share"] = _over(found.top, found.trace)
        return found
    seen = hessian_quadrature(loss, images, probes=settings.probes, steps=STEPS, **common)
    size, _ = seen.trace(torch.abs)
    square, _ = seen.trace(torch.square)
    columns["effective_rank"] = _over(size.square(), square)
    columns["trace_norm"] = size
    columns["top_share"] = _over(found.top.abs(), size)
    share, error = seen.ratio(lambda nodes: (-nodes).clamp_min(0), torch.abs)
    columns["negative_share"], columns["negative_share_se"] = share, error
    scale = found.top.abs()
    grid = torch.tensor(GRID, dtype=torch.float64)
    density, _ = seen.density(scale.unsqueeze(1) * grid, (WIDTH * scale).clamp_min(1e-300))
    for i, place in enumerate(GRID):
        columns[column("density", place)] = density[:, i] * scale
    return found


def _along(
    loss: Loss,
    images: Tensor,
    found: Curvature,
    around: Surroundings,
    settings: Settings,
    columns: dict[str, Any],
    batch_size: int,
) -> None:
    """Add the curvature along directions, and over the average direction's."""
    own = {"own": around.own.nan_to_num(), "own_labels": around.own_labels}
    ways = torch.stack(
        [
            gradient_direction(loss, images, batch_size=batch_size),
            towards(images, around.twins),
            around.means.towards(images, columns["prediction"], **own),
            around.means.towards(images, columns["label"], **own),
        ],
        1,
    )
    along = curvature_along(loss, images, ways, method=settings.method, batch_size=batch_size)
    average = columns["trace_norm"] / images[0].numel()
    for i, name in enumerate(WAY_NAMES):
        columns[f"along_{name}"] = along[:, i]
        columns[f"relative_{name}"] = _over(along[:, i], average)
    columns["along_top"] = found.top
    columns["relative_top"] = _over(found.top.abs(), average)
    columns["along_random"] = found.trace / images[0].numel()
    columns["along_random_se"] = found.trace_standard_error / images[0].numel()


def _boundary(
    classifier: nn.Module,
    images: Tensor,
    found: Curvature,
    settings: Settings,
    common: dict[str, Any],
    columns: dict[str, Any],
) -> None:
    """Add where the boundary is, and how it bends there."""
    recipe = f"minnorm(norm=l2, steps={settings.boundary_steps})"
    nearest: Boundary = nearest_boundary(classifier, images, recipe=recipe, **common)
    lead = Lead(classifier, nearest.own, nearest.other)
    radii = settings.boundary_radii
    bend = boundary_curvature(lead, nearest.points, radii, draws=settings.draws, **common)
    top = boundary_curvature_along(
        lead, nearest.points, found.vectors[:, :1], radii, batch_size=common["batch_size"]
    )
    columns["boundary_distance"] = nearest.distance
    columns["boundary_class"] = nearest.other
    for i, radius in enumerate(radii):
        columns[column("boundary_bend", radius)] = bend.mean[:, i]
        columns[column("boundary_bend_se", radius)] = bend.standard_error[:, i]
        columns[column("boundary_size", radius)] = bend.size[:, i]
        columns[column("boundary_along_top", radius)] = top[:, 0, i]
    if found.method != LANCZOS:
        return
    there = nearest.found
    kept = {**common, "ids": [n for n, t in zip(common["ids"], there.tolist(), strict=True) if t]}
    names = ("boundary_largest", "boundary_smallest", "boundary_mean", "boundary_mean_se")
    values = torch.full((len(images), 4), torch.nan, dtype=torch.float64)
    if there.any():
        exact = principal_curvatures(
            lead.select(there), nearest.points[there.to(images.device)], probes=settings.probes,
            **kept,
        )  # fmt: skip
        values[there] = torch.stack(
            [exact.largest[:, 0], exact.smallest[:, 0], exact.mean, exact.mean_standard_error], 1
        )
    columns.update(zip(names, values.unbind(1), strict=True))


def _over(above: Tensor, below: Tensor) -> Tensor:
    """Return a ratio; NaN where there is nothing below."""
    return torch.where(below == 0, torch.nan, above / torch.where(below == 0, 1, below))
