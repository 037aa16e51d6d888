"""The planes through one example, fine lines from it, and the frames of the animation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from landscape.loss import Loss
from landscape.slices.changes import first_change
from landscape.slices.directions import (
    DEPENDENT,
    eigenvector_directions,
    gradient_directions,
    random_directions,
    towards,
)
from landscape.slices.evaluation import MARK
from landscape.slices.kinds import (
    AXES,
    EIGENVECTOR,
    GRADIENT,
    LINES,
    RANDOM,
    THREE_INPUTS,
    TWIN,
)
from landscape.slices.lines import line
from landscape.slices.planes import PlaneSlice, plane, three_inputs
from landscape.slices.scenes import Scene
from landscape.slices.views import table_of, view_of

CLOSE_UP = "close_up"
"""The plane through three inputs again, near the first two, where the third is far away."""
NEAR = 0.2
"""A twin nearer than this share of the window is looked at close up."""
BEFORE, BEYOND = 0.5, 1.75
"""The animation starts and ends at these multiples of the way, before the image and beyond it."""


def planes_of(
    classifier: torch.nn.Module,
    scene: Scene,
    kinds: Sequence[str],
    *,
    radius: float,
    points: int,
    box: str = MARK,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Evaluate every kind of plane through one example.

    Loss and margin are those of its true class.

    Returns:
        The tables of `views.table_of`, with the columns `kind`, `first` and `second` (what the axes
        are). A kind that the example has no plane of is left out.

    Cost: `points^2` forward passes for each kind; `three_inputs` twice where the third is far away.
    """
    loss = Loss(classifier, torch.tensor([scene.label], device=scene.image.device))
    x = scene.image
    anchors = {"genuine": x}
    if scene.twin is not None:
        anchors["adversarial"] = scene.twin
    found: dict[str, tuple[PlaneSlice, tuple[str, str]]] = {}
    for kind, (axes, names) in _axes(loss, scene, kinds, seed, batch_size).items():
        drawn = plane(
            loss, x, axes, radius, points=points, anchors=anchors, box=box, batch_size=batch_size
        )
        found[kind] = drawn, names
    if THREE_INPUTS in kinds and _spans_a_plane(scene):
        assert scene.twin is not None
        assert scene.other is not None
        whole = three_inputs(
            loss, x, scene.twin, scene.other, points=points, box=box, batch_size=batch_size
        )
        found[THREE_INPUTS] = whole, AXES[THREE_INPUTS]
        step = float(whole.anchors["adversarial"][0, 0])
        if step < NEAR * float(whole.a[0, -1] - whole.a[0, 0]):
            near = plane(
                loss, whole.plane.origin, whole.plane.axes, 2.5 * step, points=points,
                anchors=anchors, box=box, batch_size=batch_size,
            )  # fmt: skip
            found[CLOSE_UP] = near, AXES[THREE_INPUTS]
    tables = [
        table_of(view_of(drawn)).assign(kind=kind, first=names[0], second=names[1])
        for kind, (drawn, names) in found.items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _axes(
    loss: Loss, scene: Scene, kinds: Sequence[str], seed: int, batch_size: int
) -> dict[str, tuple[Tensor, tuple[str, str]]]:
    """Return the axes of the planes around the example itself, and their names."""
    x = scene.image
    spares = random_directions(x, 3, seed=seed, ids=[scene.id]).unbind(1)
    gradient = gradient_directions(loss, x, batch_size=batch_size)
    wanted: dict[str, tuple[Tensor, ...]] = {
        RANDOM: spares[:2],
        GRADIENT: (gradient, spares[0]),
    }
    if EIGENVECTOR in kinds:
        wanted[EIGENVECTOR] = eigenvector_directions(loss, x, 2, seed=seed, ids=[scene.id]).unbind(
            1
        )
    if scene.twin is not None:
        wanted[TWIN] = (towards(x, scene.twin), gradient)
    found = {}
    for kind, pair in wanted.items():
        # The first axis is what the plane is named after.
        if kind in kinds and pair[0].any():
            axes, own = _basis(pair, spares)
            first, second = AXES[kind]
            found[kind] = axes, (first, second if own[1] else AXES[GRADIENT][1])
    return found


def _spans_a_plane(scene: Scene) -> bool:
    """Say whether an example has a twin and another image, which do not lie on one line with it."""
    if scene.twin is None or scene.other is None:
        return False
    ways = [scene.twin - scene.image, scene.other - scene.image]
    return all(way.any() for way in ways) and len(_basis(ways, ())[1]) == 2


def _basis(wanted: Sequence[Tensor], spares: Sequence[Tensor]) -> tuple[Tensor, list[bool]]:
    """Return orthonormal axes `(1, m, ...)`, and whether each is the direction that was wanted.

    A direction that is 0, or lies in the span of those before it, is replaced by a spare one: the
    Hessian of a classifier of two classes has one eigenvector, and a way may be the gradient's.
    """
    basis: list[Tensor] = []
    own = []
    for direction in wanted:
        for candidate in (direction, *spares):
            rest = candidate.double()
            for axis in basis:
                rest = rest - (rest * axis).sum() * axis
            if rest.norm() > DEPENDENT * candidate.double().norm():
                basis.append(rest / rest.norm())
                own.append(candidate is direction)
                break
    return torch.stack(basis, 1).to(wanted[0]), own


def lines_of(
    classifier: torch.nn.Module,
    scene: Scene,
    kinds: Sequence[str],
    *,
    radius: float,
    reach: float,
    points: int = 121,
    box: str = MARK,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Follow fine lines from one example, each somewhat beyond the first change of its label.

    Returns:
        A row per point: kind, distance (signed), loss, kept, inside; and value, slope and curvature
        at the example. A kind that the example has no direction of is left out.

    Cost per kind: `points + 45` forward passes, one backward pass and one product with the Hessian.
    """
    loss = Loss(classifier, torch.tensor([scene.label], device=scene.image.device))
    x = scene.image
    directions = {
        kind: axes[:, 0]
        for kind, (axes, _) in _axes(loss, scene, kinds, seed, batch_size).items()
        if kind in LINES
    }
    tables = []
    for kind, direction in directions.items():
        change = first_change(loss, x, direction, reach, box=box, batch_size=batch_size)
        near = min(radius, max(1.4 * float(change.distance[0]), radius / 40))
        found = line(loss, x, direction, near, points=points, box=box, batch_size=batch_size)
        tables.append(
            pd.DataFrame(
                {
                    "kind": kind,
                    "distance": found.distances.numpy(),
                    "loss": found.seen.loss[0].numpy(),
                    "kept": found.seen.kept[0].numpy(),
                    "inside": found.seen.inside[0].numpy(),
                    "value": float(found.taylor.value[0]),
                    "slope": float(found.taylor.slope[0]),
                    "curvature": float(found.taylor.curvature[0]),
                }
            )
        )
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def frame_places(count: int) -> np.ndarray:
    """Return where the planes of the animation lie, in multiples of the way, `(count,)`.

    The image itself, 0, and its twin, 1, are among them.

    >>> frame_places(10).round(2).tolist()
    [-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    """
    share = (BEFORE + BEYOND) / (count - 1)
    inner = max(1, round(1 / share))
    before = max(1, round(BEFORE * inner))
    found: np.ndarray = (np.arange(count) - before) / inner
    return found


def frames_of(
    classifier: torch.nn.Module,
    scene: Scene,
    *,
    radius: float,
    points: int,
    places: Sequence[float] | np.ndarray,
    first: int = 0,
    box: str = MARK,
    seed: int = 0,
    batch_size: int = 256,
) -> pd.DataFrame:
    """Evaluate planes at right angles to the way from an example to its twin, moved along it.

    There are two in every frame: of two random directions, and of the two top eigenvectors of the
    input Hessian at the genuine image, both without their part along the way.

    Args:
        classifier: of the loss.
        scene: the example.
        radius: of the planes, l2 in input units.
        points: along a side.
        places: of the planes, in multiples of the way.
        first: the number of the first of these frames.
        box: what to do beyond [0, 1].
        seed: of the random directions.
        batch_size: rows per forward pass.

    Returns:
        The tables of `views.table_of` with the columns `kind` (`random` or `eigenvector`), `frame`
        and `place`; empty where the example has no twin.

    Cost: `2 points^2` forward passes for each place.
    """
    if scene.twin is None:
        return pd.DataFrame()
    x, step = scene.image, scene.twin - scene.image
    loss = Loss(classifier, torch.tensor([scene.label], device=x.device))
    spares = random_directions(x, 4, seed=seed, ids=[scene.id]).unbind(1)
    vectors = eigenvector_directions(loss, x, 2, seed=seed, ids=[scene.id]).unbind(1)
    tables = []
    for kind, pair in ((RANDOM, spares[:2]), (EIGENVECTOR, vectors)):
        axes = _basis([step, *pair], spares)[0][:, 1:]
        count = len(places)
        centres = torch.cat([x + float(place) * step for place in places])
        many = Loss(classifier, loss.labels.expand(count).clone())
        drawn = plane(
            many, centres, axes.expand(count, -1, *[-1] * (x.ndim - 1)).clone(), radius,
            points=points, box=box, batch_size=batch_size,
        )  # fmt: skip
        for k, place in enumerate(places):
            table = table_of(view_of(drawn, k))
            tables.append(table.assign(kind=kind, frame=first + k, place=float(place)))
    return pd.concat(tables, ignore_index=True)
