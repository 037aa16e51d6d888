"""Curvature of the loss along chosen directions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import generators, normal
from landscape.curvature.closed_form import SIGNS
from landscape.curvature.hessian import EXACT, GAUSS_NEWTON, METHODS, method_of
from landscape.curvature.products import hessian_product
from landscape.curvature.raised_logits import raised_logits
from landscape.curvature.vectors import BLOCK, unit
from landscape.loss import InputFunction, Loss, blocks, example_ids, precise


def curvature_along(
    loss: InputFunction,
    images: Tensor,
    directions: Tensor,
    *,
    method: str = "auto",
    batch_size: int = 256,
) -> Tensor:
    """Return `v' H v / |v|^2` for the input Hessian `H` of the loss and directions `v`.

    For a piecewise-linear network and the cross-entropy this is the variance, under the predicted
    probabilities, of the derivatives of the logits along `v`: one product with the Jacobian for any
    number of classes, and accurate at any confidence (see `landscape.curvature.raised_logits`).
    Otherwise it is a Hessian-vector product.

    Args:
        loss: see `landscape.loss`.
        images: `(n, ...)`, any trailing shape.
        directions: `(n, k, ...)`, `k` for each image, of any length.
        method: `exact` (piecewise linear), `gauss_newton` (of a smooth network the part that its
            slopes make), `lanczos` (the whole Hessian, from products), or `auto`: the whole Hessian
            in the cheaper way.
        batch_size: examples at a time; it changes the numbers by float rounding only.

    Returns:
        `(n, k)`, in nats per input unit squared; float64 on the CPU. NaN for a direction of length
        0 or one that is not finite: there is none.

    Raises:
        InputError: directions of another shape, a method that does not suit the loss.

    Cost: a forward and a backward pass with their graph, and for each direction 0.7 of a backward
    pass, or two where the whole Hessian of a smooth network is asked for.

    >>> bowl = lambda x: x.square() @ torch.tensor([1.0, 2.0])
    >>> curvature_along(bowl, torch.zeros(1, 2), torch.tensor([[[3.0, 0.0], [1.0, 1.0]]]))
    tensor([[2.0000, 3.0000]], dtype=torch.float64)
    """
    if directions.shape[:1] != images.shape[:1] or directions.shape[2:] != images.shape[1:]:
        expected = f"(n, k, ...) with n and ... of the images {tuple(images.shape)}"
        raise InputError(f"directions: expected {expected}, found {tuple(directions.shape)}.")
    label = _whole(loss, images, method)
    found = []
    for rows, part, x in blocks(loss, images, batch_size):
        ways = directions[rows].flatten(2).to(x)
        known = ways.isfinite().all(2) & ways.ne(0).any(2)
        ways = unit(torch.where(known.unsqueeze(2), ways, 0))
        found.append(_along(part, x, ways, label).where(known.cpu(), torch.nan))
    return torch.cat(found)


def random_curvature(
    loss: InputFunction,
    images: Tensor,
    *,
    draws: int = 16,
    method: str = "auto",
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> tuple[Tensor, Tensor]:
    """Estimate the mean curvature along random directions, `tr H / d`, with its standard error.

    Directions are uniform on the sphere. Where the trace is known, as for piecewise-linear
    networks, it says the same without error.

    Args:
        loss: see `landscape.loss`.
        images: `(n, ...)`, any trailing shape.
        draws: directions for each image, at least 2.
        method: see `curvature_along`.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: examples at a time; it changes the numbers by float rounding only.

    Returns:
        Mean and standard error on `draws - 1` degrees of freedom, `(n,)`; float64 on the CPU.

    Cost: see `curvature_along`, with `draws` directions.
    """
    if draws < 2:
        raise InputError(f"--draws: expected at least 2, found {draws}.")
    names = example_ids(ids, len(images))
    block = max(1, min(batch_size, BLOCK // (draws * images[0].numel())))
    found = []
    for rows, part, x in blocks(loss, images, block):
        streams = generators(seed, names[rows], "random direction")
        drawn = normal(streams, (draws, *images.shape[1:]), images)
        found.append(curvature_along(part, x, drawn, method=method, batch_size=batch_size))
    values = torch.cat(found)
    return values.mean(1), values.std(1) / math.sqrt(draws)


def _whole(loss: InputFunction, images: Tensor, method: str) -> str:
    """Say what will be computed; `auto` is the whole Hessian."""
    label = method_of(loss, images, method)
    if method == METHODS[0] and label == GAUSS_NEWTON:
        return method_of(loss, images, "lanczos")
    return label


def _along(loss: InputFunction, images: Tensor, ways: Tensor, label: str) -> Tensor:
    """Return the curvature along unit vectors `(n, k, d)`, `(n, k)`."""
    if not ways.shape[1]:
        return torch.zeros(ways.shape[:2], dtype=torch.float64)
    if label in (EXACT, GAUSS_NEWTON):
        assert isinstance(loss, Loss)
        sign = SIGNS[loss.kind]
        if sign == 0:
            return torch.zeros(ways.shape[:2], dtype=torch.float64)
        raised = raised_logits(loss.logits, images, forwards=True)
        return torch.stack([sign * raised.variance(raised.push(way)) for way in ways.unbind(1)], 1)
    product = hessian_product(loss, images)
    return torch.stack([precise((way * product(way)).sum(1)) for way in ways.unbind(1)], 1)
