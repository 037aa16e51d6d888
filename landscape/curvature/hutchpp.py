"""Trace of many symmetric matrices at once, from products with random signs (Hutch++)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import generators, signs
from landscape.curvature.products import Product, hessian_product
from landscape.curvature.vectors import BLOCK
from landscape.loss import InputFunction, blocks, example_ids, precise


def hessian_trace(
    loss: InputFunction,
    images: Tensor,
    *,
    products: int = 48,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> tuple[Tensor, Tensor]:
    """Estimate the trace of the input Hessian of any loss, with its standard error, per example.

    A third of the products finds, from random signs, a subspace that holds the large eigenvalues; a
    third gives the trace inside it, exactly; a third estimates what is left outside, by Hutchinson.
    The error falls with the number of products itself where the spectrum decays, not with its root.

    Args:
        loss: see `landscape.loss`; twice differentiable.
        images: `(n, ...)`, any trailing shape.
        products: at least 6.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: examples at a time; fewer where memory asks for it. It changes the numbers by
            float rounding only.

    Returns:
        Two float64 tensors `(n,)` on the CPU, in nats per input unit squared.

    Raises:
        InputError: fewer than 6 products, bad ids.

    Cost: `products` Hessian-vector products of two backward passes each.

    Source: Meyer, Musco, Musco, Woodruff (2021), Hutch++: optimal stochastic trace estimation.

    >>> bowl = lambda x: x.square() @ torch.tensor([1.0, 2.0, -0.5])
    >>> hessian_trace(bowl, torch.zeros(1, 3))[0].round(decimals=3)
    tensor([5.], dtype=torch.float64)
    """
    third = products // 3
    if third < 2:
        raise InputError(f"--products: expected at least 6, found {products}.")
    names = example_ids(ids, len(images))
    block = max(1, min(batch_size, BLOCK // (2 * third * images[0].numel())))
    found = []
    for rows, part, x in blocks(loss, images, block):
        streams = generators(seed, names[rows], "hutch++")
        product = hessian_product(part, x)
        like = x.flatten(1)
        seen = min(third, like.shape[1])
        sketch = [product(signs(streams, like.shape[1:], like)) for _ in range(seen)]
        basis = torch.linalg.qr(torch.stack(sketch, 2)).Q.transpose(1, 2)
        inside = sum(precise((v * product(v)).sum(1)) for v in basis.unbind(1))
        outside, spread = trace_outside(product, basis, streams, probes=third)
        found.append(torch.stack([inside + outside, spread]))
    mean, error = torch.cat(found, 1)
    return mean, error


def trace_outside(
    product: Product,
    basis: Tensor,
    streams: Sequence[np.random.Generator],
    *,
    probes: int = 16,
) -> tuple[Tensor, Tensor]:
    """Estimate the trace of each matrix outside a subspace, with its standard error.

    `tr(P A P) = E[(P g)' A (P g)]` with random signs `g` and `P = I - Q'Q` (Hutchinson 1989).
    Together with the trace inside a subspace that holds the large eigenvalues, which is known
    exactly, this is Hutch++ (Meyer, Musco, Musco, Woodruff 2021): what is left to chance is the
    rest. Unbiased as long as the basis does not depend on the probes.

    Args:
        product: `(n, d) -> (n, d)`.
        basis: orthonormal rows `(n, m, d)`, or rows of 0; `m` may be 0.
        streams: one generator per example.
        probes: random vectors, at least 2.

    Returns:
        Mean and standard error on `probes - 1` degrees of freedom, `(n,)`; float64 on the CPU.

    Raises:
        InputError: fewer than two probes.

    Cost: one product per probe.
    """
    return form_outside(lambda v: precise((v * product(v)).sum(1)), basis, streams, probes=probes)


def form_outside(
    form: Callable[[Tensor], Tensor],
    basis: Tensor,
    streams: Sequence[np.random.Generator],
    *,
    probes: int = 16,
) -> tuple[Tensor, Tensor]:
    """Do as `trace_outside` for matrices given by their form `v -> v' A v`, `(n, d) -> (n,)`."""
    if probes < 2:
        raise InputError(f"--probes: expected at least 2, found {probes}.")
    found = []
    for _ in range(probes):
        probe = signs(streams, basis.shape[2:], basis)
        along = torch.einsum("nmd,nd->nm", basis, probe)
        found.append(form(probe - torch.einsum("nmd,nm->nd", basis, along)))
    values = torch.stack(found)
    return values.mean(0), values.std(0) / math.sqrt(probes)
