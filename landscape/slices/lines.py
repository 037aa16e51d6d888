"""Lines through images, what a landscape looks like on them, and its local picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InputError
from core.options import positive
from landscape.curvature import hessian_product
from landscape.loss import InputFunction, blocks, finite, precise, value_and_gradient
from landscape.slices.evaluation import MARK, Seen, seen_at


@dataclass(frozen=True)
class Taylor:
    """The first terms of a loss along a direction: value, slope and curvature, `(n,)` in float64.

    Attributes:
        value: in nats.
        slope: in nats per input unit.
        curvature: in nats per squared input unit.
    """

    value: Tensor
    slope: Tensor
    curvature: Tensor

    def tangent(self, distances: Tensor) -> Tensor:
        """Return the first-order picture at distances `(p,)`, `(n, p)`."""
        return self.value.unsqueeze(1) + self.slope.unsqueeze(1) * distances.double()

    def parabola(self, distances: Tensor) -> Tensor:
        """Return the second-order picture at distances `(p,)`, `(n, p)`."""
        bend = self.curvature.unsqueeze(1) * distances.double().square() / 2
        return self.tangent(distances) + bend


@dataclass(frozen=True)
class LineSlice:
    """A landscape on a line through each example.

    Attributes:
        origin: `(n, ...)`.
        directions: `(n, ...)`, of length 1, or 0 where an example has none.
        distances: signed l2 distances from the origin, `(p,)`, ascending, in input units.
        seen: the landscape there, the grid being `(p,)`.
        taylor: its local picture at the origin.
    """

    origin: Tensor
    directions: Tensor
    distances: Tensor
    seen: Seen
    taylor: Taylor


def line(
    loss: InputFunction,
    images: Tensor,
    directions: Tensor,
    radius: float,
    *,
    points: int = 81,
    box: str = MARK,
    batch_size: int = 256,
) -> LineSlice:
    """Evaluate a landscape along a line through each image, and its slope and curvature there.

    Args:
        loss: see `landscape.loss`; twice differentiable for the curvature. At kinks, such as those
            of ReLU, torch's convention holds: it is that of the linear piece.
        images: `(n, ...)`, any trailing shape.
        directions: `(n, ...)`, of length 1 (or 0: the line is a point).
        radius: l2 length that is looked at to either side, in input units.
        points: of the line; an odd number holds the image itself.
        box: what to do beyond [0, 1]: `mark` or `clip`, see `seen_at`.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Raises:
        InputError: a radius that is not above 0, fewer than 2 points, directions of another shape
            or length, an unknown `box`, or a loss that is not finite.

    Cost: `points + 1` forward passes, one backward pass and one product with the Hessian per
    example.

    >>> bowl = lambda x: x.square().sum(1)
    >>> seen = line(bowl, torch.ones(1, 2), torch.tensor([[1.0, 0.0]]), 1.0, points=3)
    >>> seen.seen.loss.tolist(), seen.taylor.slope.item(), seen.taylor.curvature.item()
    ([[1.0, 2.0, 5.0]], 2.0, 2.0)
    """
    positive(radius, "--radius")
    if points < 2:
        raise InputError(f"--resolution: expected at least 2 points, found {points}.")
    checked_directions(images, directions)
    share = torch.linspace(0, 1, points, dtype=torch.float64)
    distances = radius * share - radius * (1 - share)
    seen = seen_at(
        loss, images, directions.unsqueeze(1), distances.unsqueeze(1), box=box,
        batch_size=batch_size,
    )  # fmt: skip
    local = taylor(loss, images, directions, batch_size=batch_size)
    return LineSlice(images, directions, distances, seen, local)


def taylor(
    loss: InputFunction, images: Tensor, directions: Tensor, *, batch_size: int = 256
) -> Taylor:
    """Return value, slope `g'd` and curvature `d'Hd` of a loss along each example's direction.

    For a piecewise-linear network the curvature is that of the softmax, exact within the linear
    piece: `d'J'(diag p - p p')J d`.

    Args:
        loss: see `landscape.loss`, twice differentiable.
        images: `(n, ...)`.
        directions: `(n, ...)`.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Cost: one forward pass, one backward pass and one product with the Hessian per example.

    >>> taylor(lambda x: x[:, 0] ** 3, torch.tensor([[2.0]]), torch.tensor([[1.0]])).curvature
    tensor([12.], dtype=torch.float64)
    """
    found = []
    for rows, part, x in blocks(loss, images, batch_size):
        along = directions[rows]
        value, gradient = value_and_gradient(part, x)
        bent = hessian_product(part, x)(along.flatten(1))
        slope = (gradient.flatten(1) * along.flatten(1)).sum(1)
        found.append((value, precise(slope), precise((bent * along.flatten(1)).sum(1))))
    value, slope, curvature = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Taylor(value, finite(slope, "slope"), finite(curvature, "curvature"))


def checked_directions(images: Tensor, directions: Tensor) -> Tensor:
    """Return the lengths of directions, `(n,)`, all 1 or 0.

    Raises:
        InputError: another shape or length.
    """
    if directions.shape != images.shape:
        raise InputError(
            f"directions: expected the images' shape {tuple(images.shape)}, found "
            f"{tuple(directions.shape)}."
        )
    length = precise(torch.linalg.vector_norm(directions.flatten(1).double(), dim=1))
    if bool((((length - 1).abs() > 1e-3) & (length > 0)).any()):
        raise InputError(
            f"directions: expected length 1 (or 0), found up to {float(length.amax()):.3g}; `unit` "
            "makes them so."
        )
    return length


def local_reach(
    loss: InputFunction,
    images: Tensor,
    directions: Tensor,
    local: Taylor,
    distances: Tensor,
    *,
    tolerance: float = 0.2,
    batch_size: int = 256,
) -> dict[str, Tensor]:
    """Return how far the tangent and the parabola tell the change of the loss along a direction.

    It is the distance up to which the error is at most a share of the change itself,
    `|l(x + td) - model(t)| <= tolerance |l(x + td) - l(x)|`. That is looked at on the given
    distances; between the last that holds and the first that does not, the place is interpolated on
    logarithmic scales. It is 0 where not even the first holds.

    Args:
        loss: see `landscape.loss`.
        images: `(n, ...)`.
        directions: `(n, ...)`, of length 1 or 0.
        local: their local picture.
        distances: `(p,)`, ascending, above 0.
        tolerance: the share.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Returns:
        `tangent` and `parabola` -> `(n,)`, in input units.

    Cost: `p` forward passes per example.

    >>> quadratic = lambda x: 3 * x[:, 0] + x[:, 0] ** 2
    >>> at, way = torch.zeros(1, 1), torch.ones(1, 1)
    >>> steps = torch.tensor([0.6, 0.7, 0.8, 0.9])
    >>> found = local_reach(quadratic, at, way, taylor(quadratic, at, way), steps)
    >>> {name: round(reach.item(), 2) for name, reach in found.items()}  # t / (3 + t) = 0.2
    {'tangent': 0.75, 'parabola': 0.9}
    """
    seen = seen_at(
        loss, images, directions.unsqueeze(1), distances.unsqueeze(1), batch_size=batch_size
    )
    tiny = torch.finfo(torch.float64).tiny
    change = (seen.loss - local.value.unsqueeze(1)).abs().clamp_min(tiny)
    steps = distances.double()
    models = {"tangent": local.tangent(distances), "parabola": local.parabola(distances)}
    found = {}
    for name, model in models.items():
        error = ((seen.loss - model).abs() / change).clamp_min(tiny)
        holding = (error <= tolerance).long().cumprod(1).sum(1)
        last = (holding - 1).clamp_min(0)
        after = holding.clamp_max(len(steps) - 1)
        low, high = (error.gather(1, k.unsqueeze(1)).squeeze(1).log() for k in (last, after))
        share = (torch.log(torch.tensor(tolerance)).double() - low) / (high - low)
        between = steps[last] * (steps[after] / steps[last]) ** share
        reach = torch.where(holding == len(steps), steps[-1], between)
        found[name] = torch.where(holding == 0, 0.0, reach)
    return found
