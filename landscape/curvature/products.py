"""Products of each example's input Hessian with a vector, one double backward pass for all."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from landscape.curvature.frozen_layers import frozen_layers
from landscape.loss import InputFunction

Product = Callable[[Tensor], Tensor]


def hessian_product(loss: InputFunction, images: Tensor) -> Product:
    """Return the function `v -> H v`, `(n, d) -> (n, d)`, with `H` each example's input Hessian.

    Examples of a batch do not interact, so the Hessian of the summed loss is block diagonal and one
    product serves all of them (Pearlmutter 1994, Fast exact multiplication by the Hessian).

    Cost: one forward and one differentiable backward pass now, whose graph is kept as long as the
    function lives, and one backward pass through both for each product.

    >>> product = hessian_product(lambda x: x.pow(3).sum(1), torch.tensor([[1.0, 2.0]]))
    >>> product(torch.tensor([[1.0, 1.0]]))
    tensor([[ 6., 12.]])
    """
    with torch.enable_grad(), frozen_layers():
        points = images.detach().requires_grad_()
        total = loss(points).sum()
        (gradient,) = torch.autograd.grad(total, points, create_graph=True)

    def product(vectors: Tensor) -> Tensor:
        if not gradient.requires_grad:  # the loss is linear
            return torch.zeros_like(vectors)
        (found,) = torch.autograd.grad(
            gradient, points, vectors.reshape(points.shape), retain_graph=True,
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        return found.flatten(1)

    return product


def narrowed_product(loss: InputFunction, images: Tensor) -> Callable[[Tensor], Product] | None:
    """Return what gives the product of some of the examples, as `lanczos` takes it.

    None for a loss that cannot be evaluated on a part of the examples (see `landscape.loss`).
    """
    select = getattr(loss, "select", None)
    if select is None:
        return None
    return lambda rows: hessian_product(select(rows), images[rows.to(images.device)])
