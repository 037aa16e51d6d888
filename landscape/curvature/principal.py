"""Principal curvatures of a smooth decision boundary; their sign is that of `normal_curvature`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import generators, normal
from landscape.curvature.hutchpp import trace_outside
from landscape.curvature.lanczos import lanczos
from landscape.curvature.normal_curvature import tangent_part
from landscape.curvature.products import Product, hessian_product
from landscape.curvature.vectors import BLOCK, unit
from landscape.loss import InputFunction, blocks, example_ids, value_and_gradient


@dataclass(frozen=True)
class PrincipalCurvatures:
    """Extreme and mean normal curvatures of a smooth boundary, in 1 / input unit; float64.

    Attributes:
        largest: `(n, k)`, descending.
        largest_error: bound of their error beyond float rounding.
        smallest: `(n, k)`, ascending.
        smallest_error: bound of their error beyond float rounding.
        mean: over all tangent directions, `(n,)`.
        mean_standard_error: `(n,)`.
    """

    largest: Tensor
    largest_error: Tensor
    smallest: Tensor
    smallest_error: Tensor
    mean: Tensor
    mean_standard_error: Tensor


def principal_curvatures(
    lead: InputFunction,
    points: Tensor,
    *,
    count: int = 1,
    steps: int = 100,
    tolerance: float | None = None,
    probes: int = 16,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> PrincipalCurvatures:
    """Find the extreme and the mean normal curvatures of a smooth boundary.

    They are the eigenvalues, and their mean, of `P H P / |g|` on the tangent space, `P` the
    projection onto it. For a piecewise-linear network they are 0: see `boundary_curvature`.

    Args:
        lead: `F`, as `landscape.loss` has functions; twice differentiable.
        points: `(n, ...)` on the boundary, all finite.
        count: curvatures to return at either end.
        steps: of Lanczos, at most, for either end.
        tolerance: residual relative to the largest; see `landscape.curvature.lanczos`.
        probes: random vectors for the mean, at least 2.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: examples at a time; it changes the numbers by float rounding only.

    Raises:
        InputError: bad sizes or ids, a gradient of 0.

    Cost: at most `2 steps + probes` products of two backward passes each.

    >>> ball = lambda x: 4 - x.square().sum(1)
    >>> found = principal_curvatures(ball, torch.tensor([[0.0, 2.0, 0.0]]))
    >>> found.largest, found.smallest
    (tensor([[-0.5000]], dtype=torch.float64), tensor([[-0.5000]], dtype=torch.float64))
    """
    names = example_ids(ids, len(points))
    size = points[0].numel()
    block = max(1, min(batch_size, BLOCK // (2 * min(steps, size) * size)))
    found: list[tuple[Tensor, ...]] = []
    for rows, part, x in blocks(lead, points, block):
        streams = generators(seed, names[rows], "principal")
        gradient = value_and_gradient(part, x)[1].flatten(1)
        across = unit(gradient)
        if not gradient.ne(0).any(1).all():
            raise InputError(
                "points: the lead has no gradient at one of them, so no tangent space."
            )
        product = _tangent_product(part, x)
        options = {"top": count, "steps": min(steps, size - 1), "tolerance": tolerance}
        ends = []
        for which in ("largest", "smallest"):
            start = unit(tangent_part(normal(streams, (1, size), across), across)).squeeze(1)
            ends.append(
                lanczos(product, across, streams, which=which, start=start, **options)  # type: ignore[arg-type]
            )
        basis = torch.cat([ends[0].basis, across.unsqueeze(1)], 1)
        outside, spread = trace_outside(product, basis, streams, probes=probes)
        mean = (ends[0].inside + outside) / (size - 1)
        numbers = (part for end in ends for part in (end.values, end.residuals))
        found.append((*numbers, mean, spread / (size - 1)))
    return PrincipalCurvatures(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _tangent_product(lead: InputFunction, points: Tensor) -> Product:
    """Return the function `v -> P H P v / |g|`, `(n, d) -> (n, d)`."""
    gradient = value_and_gradient(lead, points)[1].flatten(1)
    across, product = unit(gradient), hessian_product(lead, points)
    length = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)

    def tangent(vectors: Tensor) -> Tensor:
        return tangent_part(vectors.unsqueeze(1), across).squeeze(1)

    return lambda vectors: tangent(product(tangent(vectors))) / length
