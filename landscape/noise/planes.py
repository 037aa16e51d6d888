"""The plane in which ways from one image are best seen, and the loss there."""

from __future__ import annotations

from dataclasses import dataclass

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
