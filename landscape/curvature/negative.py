"""Negative curvature: where the loss bends down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.randomness import generators
from landscape.curvature.hessian import EXACT, method_of
from landscape.curvature.lanczos import lanczos
from landscape.curvature.products import hessian_product, narrowed_product
from landscape.curvature.quadrature import hessian_quadrature
from landscape.curvature.vectors import BLOCK
from landscape.loss import InputFunction, Loss, blocks, example_ids


@dataclass(frozen=True)
class Negative:
    """Negative curvature at each example; float64 on the CPU.

    Attributes:
        smallest: the smallest eigenvalues of the input Hessian, ascending, `(n, k)`, in nats per
            input unit squared.
        error: bound of the error of each beyond float rounding, `(n, k)`.
        share: of the trace norm, the sum of all eigenvalues' magnitudes, what negative ones make,
            `(n,)`; 0 for a Hessian of 0.
        share_standard_error: over random directions, `(n,)`.
    """

    smallest: Tensor
    error: Tensor
    share: Tensor
    share_standard_error: Tensor


def negative_curvature(
    loss: InputFunction,
    images: Tensor,
    *,
    bottom: int = 1,
    steps: int = 100,
    tolerance: float | None = None,
    probes: int = 8,
    probe_steps: int = 40,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> Negative:
    """Find the smallest eigenvalues of the input Hessian, and the share of it that is negative.

    The cross-entropy of a piecewise-linear network has none: its Hessian `J' (diag p - p p') J` is
    positive semidefinite, and as there are fewer classes than pixels its smallest eigenvalue is 0.
    That is returned, exactly and at no cost. Else eigenvalues come from Lanczos, the share from
    Lanczos quadrature.

    Args:
        loss: see `landscape.loss`; twice differentiable.
        images: `(n, ...)`, any trailing shape.
        bottom: number of eigenvalues.
        steps: of Lanczos, at most, for the eigenvalues.
        tolerance: residual relative to the largest of them in magnitude; see
            `landscape.curvature.lanczos`.
        probes: random directions for the share, at least 2.
        probe_steps: of Lanczos for each.
        seed: with an example's id, names its streams of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: examples at a time; it changes the numbers by float rounding only.

    Cost: at most `steps + probes * probe_steps` products of two backward passes each.

    >>> saddle = lambda x: x.square() @ torch.tensor([1.5, -0.5])
    >>> found = negative_curvature(saddle, torch.zeros(1, 2))
    >>> found.smallest.round(decimals=4), found.share.round(decimals=4)
    (tensor([[-1.]], dtype=torch.float64), tensor([0.2500], dtype=torch.float64))
    """
    if _bends_up_only(loss, images):
        none = torch.zeros(len(images), bottom, dtype=torch.float64)
        return Negative(none, none, none[:, 0], none[:, 0])
    names = example_ids(ids, len(images))
    size = images[0].numel()
    block = max(1, min(batch_size, BLOCK // (min(steps, size) * size)))
    values, errors = [], []
    for rows, part, x in blocks(loss, images, block):
        ritz = lanczos(
            hessian_product(part, x), x.flatten(1), generators(seed, names[rows], "negative"),
            top=bottom, which="smallest", steps=steps, tolerance=tolerance,
            narrowed=narrowed_product(part, x),
        )  # fmt: skip
        values.append(ritz.values)
        errors.append(ritz.residuals)
    seen = hessian_quadrature(
        loss, images, probes=probes, steps=probe_steps, seed=seed, ids=names, batch_size=batch_size
    )
    share, spread = seen.ratio(lambda nodes: (-nodes).clamp_min(0), torch.abs)
    return Negative(torch.cat(values), torch.cat(errors), share, spread)


def _bends_up_only(loss: InputFunction, images: Tensor) -> bool:
    """Say whether the Hessian is known to be positive semidefinite, of less than full rank."""
    if not isinstance(loss, Loss) or loss.kind != "cross_entropy":
        return False
    if method_of(loss, images) != EXACT:
        return False
    with torch.no_grad():
        return loss.logits(images[:1]).shape[1] <= images[0].numel()
