"""The plane in which ways from one image are best seen, and the loss there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from landscape.loss import Loss, precise


@dataclass(frozen=True)
class Plane:
    """A plane through an image.

    Attributes:
        origin: the image, `(...)`.
        axes: two directions of l2 length 1, orthogonal to one another, `(2, ...)`.
        explained: the share of the points' squared distance from the image that lies along each,
            `(2,)`, float64; what is missing to 1 is orthogonal to the plane.
    """

    origin: Tensor
    axes: Tensor
    explained: Tensor

    def coordinates(self, points: Tensor) -> Tensor:
        """Project points `(m, ...)` onto the plane: `(m, 2)`, float64, in the points' units."""
        away = (points.double() - self.origin.double()).flatten(1)
        return away @ self.axes.double().flatten(1).T

    def points(self, places: Tensor) -> Tensor:
        """Return the points of the plane at places `(m, 2)`; they may leave the box."""
        steps = places.to(self.axes) @ self.axes.flatten(1)
        return self.origin + steps.reshape(-1, *self.origin.shape)


def principal_plane(points: Tensor, origin: Tensor) -> Plane:
    """Find the plane through an image from which points deviate least in the sum of squares.

    The two leading principal directions of the points minus the image (not minus their mean: the
    image lies in the plane), from the `m x m` Gram matrix in float64. Each direction is turned so
    that the points lie on its positive side on average. Where all points lie on one line the second
    direction is any orthogonal one, and explains nothing.

    Args:
        points: `(m, ...)`.
        origin: the image, `(...)`, with at least two pixels.

    Raises:
        InputError: no point differs from the image, or shapes do not fit.

    >>> points = torch.tensor([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.1]])
    >>> plane = principal_plane(points, torch.zeros(3))
    >>> plane.axes
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    >>> plane.explained.sum().round(decimals=3)
    tensor(0.9990, dtype=torch.float64)
    """
    if points.shape[1:] != origin.shape or origin.numel() < 2:
        found = f"{tuple(points.shape)} and {tuple(origin.shape)}"
        raise InputError(f"points: expected (m, ...) like the image (...), found {found}.")
    away = (points.double() - origin.double()).flatten(1)
    total = away.square().sum()
    if not bool(total > 0):
        raise InputError("points: none differs from the image, so they span no plane.")
    values, vectors = torch.linalg.eigh(away @ away.T)
    explained = torch.zeros(2, dtype=torch.float64)
    axes = torch.zeros(2, away.shape[1], dtype=torch.float64)
    for place in range(min(2, len(values))):
        value = values[-1 - place]
        if value > 1e-12 * total:
            axis = vectors[:, -1 - place] @ away
            axis = axis / torch.linalg.vector_norm(axis)
            axes[place] = -axis if (away @ axis).sum() < 0 else axis
            explained[place] = value / total
    if not bool(axes[1].any()):
        axes[1] = _orthogonal(axes[0])
    return Plane(origin, axes.reshape(2, *origin.shape).to(origin), explained)


def share_by_chance(
    ways: Sequence[Tensor], origin: Tensor, stream: np.random.Generator, *, draws: int = 10
) -> float:
    """Return what share a principal plane would hold of ways that turn at random.

    A plane holds much of any few smooth curves, and of a random walk too: in many dimensions two
    principal components hold three quarters of its variance (Antognini and Sohl-Dickstein 2018,
    "PCA of high dimensional random walks with comparison to neural network training"), and nine
    tenths of its squared distance from where it begins. So the points begin where they did, and
    take steps as long as they did, each in a direction of its own, uniform.

    Args:
        ways: each `(t, ...)`, from its first point on.
        origin: the image, `(...)`.
        stream: of the directions.
        draws: random ways per way; the mean share is returned.

    >>> straight = torch.linspace(0, 1, 20).reshape(20, 1) * torch.ones(20, 500)
    >>> share = share_by_chance([straight], torch.zeros(500), np.random.default_rng(0))
    >>> 0.7 < share < 0.95
    True
    """
    shares = []
    for _ in range(draws):
        points = []
        for way in ways:
            steps = way.double().flatten(1).diff(dim=0)
            lengths = torch.linalg.vector_norm(steps, dim=1, keepdim=True)
            drawn = torch.from_numpy(stream.standard_normal(tuple(steps.shape))).to(steps.device)
            drawn = drawn / torch.linalg.vector_norm(drawn, dim=1, keepdim=True) * lengths
            start = way[:1].double().flatten(1)
            points.append(torch.cat([start, start + drawn.cumsum(0)]))
        together = torch.cat(points).reshape(-1, *origin.shape)
        shares.append(float(principal_plane(together, origin).explained.sum()))
    return sum(shares) / len(shares)


def loss_on(
    loss: Loss, plane: Plane, places: Tensor, *, batch_size: int = 256
) -> tuple[Tensor, Tensor]:
    """Evaluate a loss of one example in its plane.

    Args:
        loss: with a single label.
        plane: through the example.
        places: `(m, 2)`.
        batch_size: points per pass.

    Returns:
        The loss and how far the label lies behind the best other class, in logits (0 on the
        decision boundary, positive beyond it), `(m,)` each, float64.

    Cost: one forward pass per place.
    """
    values, leads = [], []
    behind = Loss(loss.classifier, loss.labels, "margin")
    with torch.no_grad():
        for part in places.split(batch_size):
            logits = loss.logits(plane.points(part))
            values.append(precise(loss.of_logits(logits)))
            leads.append(precise(behind.of_logits(logits)))
    return torch.cat(values), torch.cat(leads)


def grid_around(places: Tensor, side: int, room: float = 0.12) -> tuple[Tensor, Tensor]:
    """Return the coordinates, `(side,)` each, of a square grid that holds places and the origin.

    Args:
        places: `(m, 2)`.
        side: lines of the grid in either direction, at least 2.
        room: left around them, as a share of the larger extent.

    >>> x, y = grid_around(torch.tensor([[2.0, 1.0]]), 3, room=0.0)
    >>> x.tolist(), y.tolist()
    ([0.0, 1.0, 2.0], [-0.5, 0.5, 1.5])
    """
    held = torch.cat([places.double(), torch.zeros(1, 2, dtype=torch.float64)])
    low, high = held.amin(0), held.amax(0)
    half = float((high - low).max()) * (0.5 + room)
    x, y = (
        torch.linspace(centre - half, centre + half, side, dtype=torch.float64)
        for centre in ((low + high) / 2).tolist()
    )
    return x, y


def _orthogonal(axis: Tensor) -> Tensor:
    """Return a direction of length 1 orthogonal to one of length 1, `(d,)`."""
    other = torch.zeros_like(axis)
    other[axis.abs().argmin()] = 1
    other = other - (other @ axis) * axis
    return other / torch.linalg.vector_norm(other)
