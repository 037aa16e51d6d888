"""What a landscape looks like at many points around many images, evaluated some at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.errors import InputError, unknown_name
from core.losses import margin
from landscape.loss import InputFunction, Loss, blocks, finite, precise

MARK, CLIP = "mark", "clip"
BOXES = (MARK, CLIP)
TOLERANCE = 1e-6
"""How far a pixel may be beyond [0, 1] by rounding."""


@dataclass(frozen=True)
class Seen:
    """A landscape at points of each example, `*grid` of them: `(p,)` on lines, `(h, w)` on planes.

    Attributes:
        loss: `(n, *grid)`, float64.
        excess: how far the farthest pixel lies beyond [0, 1], `(n, *grid)`, at most 0 inside; where
            points were clipped to the box, how far it did before.
        logits: `(n, *grid, k)` in the classifier's precision; None of a plain function.
        labels: reference labels `(n,)`; None of a plain function.
    """

    loss: Tensor
    excess: Tensor
    logits: Tensor | None
    labels: Tensor | None

    @property
    def inside(self) -> Tensor:
        """Whether the point is an image, all pixels in [0, 1], `(n, *grid)`."""
        return self.excess <= TOLERANCE

    @property
    def prediction(self) -> Tensor:
        """The class predicted there, `(n, *grid)`."""
        return self._logits.argmax(-1)

    @property
    def kept(self) -> Tensor:
        """Whether the reference label is predicted there, `(n, *grid)`."""
        return self.prediction == self._per_point(self._labels)

    @property
    def margin(self) -> Tensor:
        """How far the reference label leads, in logits, `(n, *grid)`: below 0 another class does.

        `z_y - max_{k != y} z_k`, so minus the loss `margin` of `core.losses`.
        """
        logits = self._logits
        labels = self._per_point(self._labels).expand(logits.shape[:-1])
        lead = -margin(logits.double().flatten(0, -2), labels.flatten())
        return lead.reshape(logits.shape[:-1])

    def on(self, *grid: int) -> Seen:
        """Return the same with the points laid out on a grid."""
        n = len(self.loss)
        logits = self.logits
        return replace(
            self,
            loss=self.loss.reshape(n, *grid),
            excess=self.excess.reshape(n, *grid),
            logits=None if logits is None else logits.reshape(n, *grid, logits.shape[-1]),
        )

    def _per_point(self, values: Tensor) -> Tensor:
        return values.reshape(-1, *[1] * (self.loss.ndim - 1))

    @property
    def _logits(self) -> Tensor:
        if self.logits is None:
            raise InputError(
                "loss: a plain function has no classes; take the Loss of a classifier."
            )
        return self.logits

    @property
    def _labels(self) -> Tensor:
        if self.labels is None:
            raise InputError("loss: a plain function has no labels; take the Loss of a classifier.")
        return self.labels


def seen_at(
    loss: InputFunction,
    origin: Tensor,
    axes: Tensor,
    coordinates: Tensor,
    *,
    box: str = MARK,
    batch_size: int = 256,
) -> Seen:
    """Evaluate a landscape at `origin + sum_i coordinate_i axis_i`.

    The points are made as they are needed, at most `batch_size` of them at a time (at least one for
    each example where the loss is a plain function, which cannot be divided).

    Args:
        loss: see `landscape.loss`; with a classifier's `Loss` all logits are kept.
        origin: `(n, ...)`, any trailing shape.
        axes: `(n, m, ...)`.
        coordinates: `(p, m)` for all examples, or `(n, p, m)`.
        box: `mark`: points beyond [0, 1] are evaluated as they are, and known by their `excess`;
            `clip`: they are moved to the nearest point of the box first, so that a line or a plane
            is bent where `excess` is above 0.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Returns:
        On the CPU, the grid being `(p,)`.

    Raises:
        InputError: an unknown treatment of the box, shapes that do not fit, or a loss or logits
            that are not finite.

    Cost: `p` forward passes per example.

    >>> slope = lambda x: x @ torch.tensor([3.0, 4.0])
    >>> places = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    >>> seen_at(slope, torch.ones(1, 2), torch.eye(2)[None], places).loss
    tensor([[ 7., 14.]], dtype=torch.float64)
    """
    n = len(origin)
    if box not in BOXES:
        raise unknown_name("--box", box, BOXES)
    if isinstance(loss, Loss) and len(loss.labels) != n:
        raise InputError(f"images: expected {len(loss.labels)}, one per label, found {n}.")
    places = coordinates.expand(n, *coordinates.shape[-2:])
    if axes.shape[:1] + axes.shape[2:] != origin.shape or axes.shape[1] != places.shape[2]:
        raise InputError(
            f"axes: expected ({n}, {places.shape[2]}, ...) for images {tuple(origin.shape)}, found "
            f"{tuple(axes.shape)}."
        )
    found: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for rows, part, x in blocks(loss, origin, batch_size):
            at_once = max(1, batch_size // len(x))
            pieces = places[rows].split(at_once, dim=1)
            parts = [_piece(part, _points(x, axes[rows], c), box) for c in pieces]
            found.append(tuple(torch.cat(p, 1) for p in zip(*parts, strict=True)))
    if not found:
        raise InputError("images: there are none.")
    values, excess, *logits = (torch.cat(parts) for parts in zip(*found, strict=True))
    labels = loss.labels.cpu() if isinstance(loss, Loss) else None
    return Seen(finite(values), excess, finite(logits[0], "output") if logits else None, labels)


def _points(origin: Tensor, axes: Tensor, coordinates: Tensor) -> Tensor:
    """Return copies of the examples, moved, `(c, n, ...)`."""
    steps = torch.einsum("ncm,nmd->cnd", coordinates.to(axes), axes.flatten(2))
    return origin + steps.reshape(-1, *origin.shape)


def _piece(function: InputFunction, points: Tensor, box: str) -> tuple[Tensor, ...]:
    """Return loss, excess and, of a classifier, logits of points `(c, n, ...)`: `(n, c, ...)`."""
    copies, n = points.shape[:2]
    flat = points.flatten(0, 1)
    excess = (flat - 0.5).abs().flatten(1).amax(1) - 0.5
    if box == CLIP:
        flat = flat.clamp(0, 1)
    rows = [precise(excess)]
    if isinstance(function, Loss):
        logits = function.logits(flat).cpu()
        rows = [function.of_logits(precise(logits)), *rows, logits]
    else:
        rows = [precise(function(flat)), *rows]
    return tuple(r.reshape(copies, n, *r.shape[1:]).transpose(0, 1) for r in rows)
