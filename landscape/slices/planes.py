"""Planes through input space, and what a landscape looks like on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InputError
from landscape.loss import InputFunction
from landscape.slices.boxes import box_outline
from landscape.slices.directions import orthonormal
from landscape.slices.evaluation import MARK, Seen, seen_at

Extent = float | Sequence[float] | Tensor


@dataclass(frozen=True)
class Plane:
    """A plane for each example: a point of it and two axes of length 1 at right angles.

    So coordinates are l2 distances in input units, and circles are circles.

    Attributes:
        origin: `(n, ...)`, any trailing shape.
        axes: `(n, 2, ...)`, orthonormal.

    Raises:
        InputError: shapes that do not fit, or axes that are not orthonormal to 1e-3 (`orthonormal`
            makes them so).
    """

    origin: Tensor
    axes: Tensor

    def __post_init__(self) -> None:
        expected = (len(self.origin), 2, *self.origin.shape[1:])
        if self.axes.shape != expected:
            raise InputError(f"axes: expected shape {expected}, found {tuple(self.axes.shape)}.")
        flat = self.axes.flatten(2).double()
        off = (
            flat @ flat.transpose(1, 2) - torch.eye(2, dtype=flat.dtype, device=flat.device)
        ).abs()
        if not bool((off < 1e-3).all()):
            raise InputError(
                "axes: expected orthonormal ones, found inner products that are off by "
                f"{float(off.amax()):.3g}; `orthonormal` makes them so."
            )

    def points(self, coordinates: Tensor) -> Tensor:
        """Return the images at coordinates `(n, p, 2)` of the plane, `(n, p, ...)`."""
        steps = torch.einsum("npm,nmd->npd", coordinates.to(self.axes), self.axes.flatten(2))
        return self.origin.unsqueeze(1) + steps.reshape(*steps.shape[:2], *self.origin.shape[1:])

    def coordinates(self, images: Tensor) -> Tensor:
        """Return where images `(n, ...)`, projected on the plane, lie in it: `(n, 2)`, float64."""
        step = (images.double() - self.origin.double()).flatten(1)
        return torch.einsum("nd,nmd->nm", step, self.axes.flatten(2).double()).cpu()

    def distance(self, images: Tensor) -> Tensor:
        """Return how far images `(n, ...)` lie from the plane, l2: `(n,)`, float64."""
        step = (images.double() - self.origin.double()).flatten(1).cpu()
        within = self.coordinates(images)
        # Not by Pythagoras: what is left of a long step after a nearly equal one cancels.
        rest = step - torch.einsum("nm,nmd->nd", within, self.axes.flatten(2).double().cpu())
        return torch.linalg.vector_norm(rest, dim=1)


def through(first: Tensor, second: Tensor, third: Tensor) -> Plane:
    """Return the plane through three images of each example.

    The first is its origin, the second lies on the first axis, the third on the side of the second
    axis where coordinates are positive.

    Args:
        first, second, third: `(n, ...)`.

    Raises:
        InputError: three images lie on a line.

    >>> plane = through(torch.zeros(1, 3), torch.tensor([[2.0, 0, 0]]), torch.tensor([[1.0, 3, 0]]))
    >>> plane.coordinates(torch.tensor([[1.0, 3.0, 0.0]]))
    tensor([[1., 3.]], dtype=torch.float64)
    """
    try:
        axes = orthonormal(torch.stack([second - first, third - first], 1))
    except InputError as error:
        raise InputError("images: three of them lie on a line, so no plane is theirs.") from error
    return Plane(first, axes)


@dataclass(frozen=True)
class PlaneSlice:
    """A landscape on a rectangle of each example's plane.

    Attributes:
        plane: its origin and axes.
        a: coordinates along the first axis, `(n, w)`, float64, ascending.
        b: coordinates along the second axis, `(n, h)`.
        seen: the landscape on the grid `(h, w)`.
        anchors: name of a point, such as `genuine` -> its coordinates `(n, 2)`.
        off: name of a point -> its distance from the plane, `(n,)`.
        box: for each example the corners `(k, 2)`, in order, of the part of the rectangle that lies
            inside the box of valid images; none where no part does.
    """

    plane: Plane
    a: Tensor
    b: Tensor
    seen: Seen
    anchors: Mapping[str, Tensor]
    off: Mapping[str, Tensor]
    box: Sequence[Tensor]


def plane(
    loss: InputFunction,
    origin: Tensor,
    axes: Tensor,
    extent: Extent,
    *,
    points: int | tuple[int, int] = 61,
    anchors: Mapping[str, Tensor] | None = None,
    box: str = MARK,
    batch_size: int = 256,
) -> PlaneSlice:
    """Evaluate a landscape on a rectangular grid of a plane, for all examples at once.

    Args:
        loss: see `landscape.loss`; with a classifier's `Loss` all logits are kept.
        origin: `(n, ...)`, any trailing shape; not necessarily an image of anything.
        axes: `(n, 2, ...)`, orthonormal.
        extent: a radius, for a square around the origin; or the ends (a_low, a_high, b_low,
            b_high) in l2 input units, four numbers for all or `(n, 4)`.
        points: of the grid along each axis, or along the first and the second; odd numbers hit the
            middle.
        anchors: name -> images `(n, ...)` to be marked where they are projected on the plane.
        box: what to do beyond [0, 1]: `mark` or `clip`, see `seen_at`.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Raises:
        InputError: an extent without area, fewer than 2 points, axes that are not orthonormal, an
            unknown `box`, or a loss that is not finite.

    Cost: `points^2` forward passes per example.

    >>> bowl = lambda x: x.square().sum(1)
    >>> seen = plane(bowl, torch.zeros(1, 2), torch.eye(2)[None], 1.0, points=3).seen
    >>> seen.loss[0]
    tensor([[2., 1., 2.],
            [1., 0., 1.],
            [2., 1., 2.]], dtype=torch.float64)
    """
    where = Plane(origin, axes)
    ends = extent_of(extent, len(origin))
    across, up = (points, points) if isinstance(points, int) else points
    if min(across, up) < 2:
        raise InputError(f"--resolution: expected at least 2 points, found {points}.")
    a, b = _between(ends[:, :2], across), _between(ends[:, 2:], up)
    coordinates = torch.stack(
        [a.unsqueeze(1).expand(-1, up, -1), b.unsqueeze(2).expand(-1, -1, across)], -1
    )
    seen = seen_at(loss, origin, axes, coordinates.flatten(1, 2), box=box, batch_size=batch_size)
    marked = anchors or {}
    return PlaneSlice(
        where,
        a,
        b,
        seen.on(up, across),
        {name: where.coordinates(images) for name, images in marked.items()},
        {name: where.distance(images) for name, images in marked.items()},
        [box_outline(origin[i], axes[i], ends[i]) for i in range(len(origin))],
    )


def three_inputs(
    loss: InputFunction,
    first: Tensor,
    second: Tensor,
    third: Tensor,
    *,
    names: tuple[str, str, str] = ("genuine", "adversarial", "other"),
    room: float = 0.3,
    points: int = 61,
    box: str = MARK,
    batch_size: int = 256,
) -> PlaneSlice:
    """Evaluate a landscape on the plane through three images of each example.

    After Somepalli et al. (2022), Can neural nets learn the same model twice? The window is the
    smallest square around the three, and some room.

    Args:
        loss: see `landscape.loss`.
        first, second, third: `(n, ...)`, such as an image, its adversarial twin, and an image of
            another class.
        names: of the three, for the legend.
        room: on each side of the window, as a share of the side of the square.
        points: of the grid along each axis.
        box: what to do beyond [0, 1]: `mark` or `clip`, see `seen_at`.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Raises:
        InputError: three images lie on a line, negative room, and as `plane`.

    Cost: `points^2` forward passes per example.

    >>> bowl = lambda x: x.square().sum(1)
    >>> corners = torch.tensor([[0.0, 0, 0], [4, 0, 0], [0, 2, 0]]).split(1)
    >>> seen = three_inputs(bowl, *corners, room=0.0, points=3)
    >>> seen.a[0].tolist(), seen.b[0].tolist()
    ([0.0, 2.0, 4.0], [-1.0, 1.0, 3.0])
    """
    if not room >= 0:
        raise InputError(f"room: expected a share of at least 0, found {room}.")
    where = through(first, second, third)
    anchors = dict(zip(names, (first, second, third), strict=True))
    corners = torch.stack([where.coordinates(images) for images in anchors.values()], 1)
    return plane(
        loss, where.origin, where.axes, window(corners, room), points=points, anchors=anchors,
        box=box, batch_size=batch_size,
    )  # fmt: skip


def window(corners: Tensor, room: float) -> Tensor:
    """Return the smallest square around points `(n, k, 2)`, with room, as an extent `(n, 4)`.

    >>> window(torch.tensor([[[0.0, 0.0], [4.0, 2.0]]]), 0.25)
    tensor([[-1.,  5., -2.,  4.]])
    """
    low, high = corners.amin(1), corners.amax(1)
    middle, half = (low + high) / 2, (high - low).amax(1, keepdim=True) * (0.5 + room)
    return torch.stack([middle - half, middle + half], 2).flatten(1)


def extent_of(extent: Extent, n: int) -> Tensor:
    """Return an extent as its four ends for each example, `(n, 4)`, float64.

    Raises:
        InputError: it is not a radius above 0, four numbers, or four for each example; or its low
            ends are not below its high ones.
    """
    ends = torch.as_tensor(extent, dtype=torch.float64).cpu()
    if ends.ndim == 0:
        ends = ends * torch.tensor([-1.0, 1.0, -1.0, 1.0], dtype=torch.float64)
    if ends.shape not in ((4,), (n, 4)):
        raise InputError(
            f"--radius: expected a radius, four ends, or four for each of {n} examples, found "
            f"shape {tuple(ends.shape)}."
        )
    ends = ends.expand(n, 4)
    if not bool(ends.isfinite().all() & (ends[:, ::2] < ends[:, 1::2]).all()):
        raise InputError(f"--radius: expected finite ends, low before high, found {extent}.")
    return ends


def _between(ends: Tensor, count: int) -> Tensor:
    """Return equidistant numbers between ends `(n, 2)`, `(n, count)`."""
    share = torch.linspace(0, 1, count, dtype=torch.float64)
    # Symmetric ends meet in an exact 0; low + share * (high - low) would miss it by rounding.
    return ends[:, :1] * (1 - share) + ends[:, 1:] * share
