"""How the decision boundary bends, exactly and at a finite scale.

The boundary is the surface `F = 0` of a function that is positive on the own side, such as
`landscape.curvature.boundary.Lead`. With `H` the Hessian of `F` and `g` its gradient, the normal
curvature along a unit tangent vector `v` is

    k(v)  =  v' H v / |g| ,

in 1 / input unit: the boundary leaves its tangent plane like a circle of radius `1 / |k|`. Where
`k < 0` it bends towards the own side, which is convex there, as the inside of a ball is; where
`k > 0` towards the other side, as around a ball of the other class.

A piecewise-linear network's boundary is flat almost everywhere and bends in its kinks alone. What
bends on average over a distance `r` is said by the second difference

    k_r(v)  =  (F(x + r v) + F(x - r v) - 2 F(x)) / (r^2 |g|) ,

which is `k(v)` for small `r` where `F` is smooth, and for all `r` where `F` is quadratic.

Sources: Fawzi, Moosavi-Dezfooli, Frossard, Soatto (2018), Empirical study of the topology and
geometry of deep networks; Moosavi-Dezfooli et al. (2018), Robustness of classifiers to universal
perturbations: a geometric perspective, and (2019), Robustness via curvature regularization, and
vice versa.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.norms import per_example
from core.errors import InputError
from core.randomness import generators, normal
from landscape.curvature.vectors import BLOCK, unit
from landscape.loss import (
    InputFunction,
    blocks,
    evaluate,
    example_ids,
    precise,
    radii_of,
    value_and_gradient,
)


@dataclass(frozen=True)
class BoundaryCurvature:
    """Mean normal curvature over random tangent directions, one column per radius.

    Attributes:
        radii: in input units.
        mean: `(n, r)`, in 1 / input unit; negative where the own side is convex. Float64.
        standard_error: of `mean`, `(n, r)`, on `draws - 1` degrees of freedom.
        size: root mean square over the directions, `(n, r)`: how much it bends, either way.
    """

    radii: tuple[float, ...]
    mean: Tensor
    standard_error: Tensor
    size: Tensor


def boundary_curvature(
    lead: InputFunction,
    points: Tensor,
    radii: Sequence[float],
    *,
    draws: int = 32,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> BoundaryCurvature:
    """Average the curvature `k_r` of the boundary over random tangent directions.

    Args:
        lead: `F`, as `landscape.loss` has functions; see `Lead`.
        points: `(n, ...)` on the boundary; a row that is not finite gets NaN.
        radii: in input units, above 0. Points are not clipped to the box.
        draws: tangent directions, the same at all radii; at least 2.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Raises:
        InputError: bad radii, draws or ids.

    Cost: `2 draws |radii| + 1` forward passes and one backward pass. In float32 the second
    difference loses digits as `r` falls: its error is about `1e-7 |z| / (r^2 |g|)`.

    >>> ball = lambda x: 4 - x.square().sum(1)  # the own side is inside
    >>> found = boundary_curvature(ball, torch.tensor([[0.0, 2.0, 0.0]]), [0.1, 1.0])
    >>> found.mean.round(decimals=3)
    tensor([[-0.5000, -0.5000]], dtype=torch.float64)
    """
    if draws < 2:
        raise InputError(f"--draws: expected at least 2, found {draws}.")
    names = example_ids(ids, len(points))

    def ways(rows: slice, x: Tensor) -> Tensor:
        return normal(generators(seed, names[rows], "tangent"), (draws, *x.shape[1:]), x)

    values = _second_differences(lead, points, ways, draws, radii, batch_size)
    return BoundaryCurvature(
        radii=tuple(radii_of(radii)),
        mean=values.mean(1),
        standard_error=values.std(1) / math.sqrt(draws),
        size=values.square().mean(1).sqrt(),
    )


def boundary_curvature_along(
    lead: InputFunction,
    points: Tensor,
    directions: Tensor,
    radii: Sequence[float],
    *,
    batch_size: int = 256,
) -> Tensor:
    """Return the curvature `k_r` of the boundary along the tangent part of chosen directions.

    Args:
        lead: `F`, as `landscape.loss` has functions.
        points: `(n, ...)` on the boundary; a row that is not finite gets NaN.
        directions: `(n, k, ...)`, of any length; NaN for one without a tangent part.
        radii: in input units, above 0.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Returns:
        `(n, k, r)`, in 1 / input unit; float64 on the CPU.

    Cost: `2 k |radii| + 1` forward passes and one backward pass.

    >>> tube = lambda x: 4 - x[:, :2].square().sum(1)
    >>> ways = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 5.0]]])
    >>> boundary_curvature_along(tube, torch.tensor([[0.0, 2.0, 0.0]]), ways, [1.0])[..., 0]
    tensor([[-0.5000,  0.0000]], dtype=torch.float64)
    """
    if directions.shape[:1] != points.shape[:1] or directions.shape[2:] != points.shape[1:]:
        expected = f"(n, k, ...) with n and ... of the points {tuple(points.shape)}"
        raise InputError(f"directions: expected {expected}, found {tuple(directions.shape)}.")
    count = directions.shape[1]
    return _second_differences(
        lead, points, lambda rows, x: directions[rows].to(x), count, radii, batch_size
    )


def _second_differences(
    lead: InputFunction,
    points: Tensor,
    ways: Callable[[slice, Tensor], Tensor],
    count: int,
    radii: Sequence[float],
    batch_size: int,
) -> Tensor:
    """Return `k_r` along the tangent part of directions, `(n, k, r)`.

    Args:
        lead: the function.
        points: `(n, ...)`.
        ways: rows and their points -> directions `(n, k, ...)`.
        count: `k`.
        radii: above 0.
        batch_size: rows per forward pass.
    """
    lengths = radii_of(radii)
    if not all(length > 0 for length in lengths):
        raise InputError(f"--radii: expected lengths above 0, found {list(radii)}.")
    usable = points.flatten(1).isfinite().all(1)
    points = torch.where(per_example(usable, points), points, 0)
    found = [torch.zeros(0, count, len(lengths), dtype=torch.float64)]
    block = max(1, min(batch_size, BLOCK // (2 * count * max(points[0].numel(), 1))))
    for rows, part, x in blocks(lead, points, block):
        centre, gradient = value_and_gradient(part, x)
        slope = torch.linalg.vector_norm(precise(gradient.flatten(1)), dim=1)
        drawn = ways(rows, x).flatten(2)
        drawn = unit(torch.where(drawn.isfinite().all(2, keepdim=True), drawn, 0))
        tangent = tangent_part(drawn, unit(gradient.flatten(1)))
        # Of a direction along the normal rounding is all that is left.
        long = torch.linalg.vector_norm(tangent, dim=2) > 1e-3
        steps = unit(tangent).transpose(0, 1).reshape(count, *x.shape)
        columns = []
        for length in lengths:
            ends = evaluate(part, torch.cat([x + length * steps, x - length * steps]), batch_size)
            second = ends[:count] + ends[count:] - 2 * centre
            columns.append((second / (length**2 * slope)).T)
        known = long.cpu() & (slope > 0).unsqueeze(1) & usable[rows].cpu().unsqueeze(1)
        found.append(torch.stack(columns, 2).where(known.unsqueeze(2), torch.nan))
    return torch.cat(found)


def tangent_part(vectors: Tensor, across: Tensor) -> Tensor:
    """Return vectors `(n, k, d)` without their parts along unit normals `(n, d)`."""
    for _ in range(2):
        vectors = vectors - (vectors * across.unsqueeze(1)).sum(2, keepdim=True) * across.unsqueeze(
            1
        )
    return vectors
