"""Functions of each example's input Hessian, and its spectral density, by Lanczos quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.options import positive
from core.randomness import generators, signs
from landscape.curvature.lanczos import lanczos, tridiagonal
from landscape.curvature.products import Product, hessian_product, narrowed_product
from landscape.curvature.vectors import BLOCK
from landscape.loss import InputFunction, blocks, example_ids


@dataclass(frozen=True)
class Quadrature:
    """What random directions see of the spectrum of each example's matrix `A`, `(d, d)`.

    For a unit vector `v` with random signs, `E[v' f(A) v] = tr f(A) / d`; and `m` steps of Lanczos
    from `v` turn `v' f(A) v` into a sum over nodes, exact for polynomials of degree `2 m - 1`.
    Standard errors are over the random directions, on one fewer degrees of freedom.

    Attributes:
        nodes: eigenvalues seen, `(n, probes, m)`.
        weights: their shares, not negative, `(n, probes, m)`; they add up to 1 for each probe.
        dimension: `d`.
    """

    nodes: Tensor
    weights: Tensor
    dimension: int

    def trace(self, function: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """Return `tr f(A)` with its standard error, `(n,)`; `f` works on a tensor of numbers."""
        found = self.dimension * (self.weights * function(self.nodes)).sum(2)
        return _mean(found)

    def ratio(
        self, above: Callable[[Tensor], Tensor], below: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return `tr f(A) / tr g(A)` with its standard error, `(n,)`; 0 where both are 0.

        The error is that of a ratio of means, to first order (Cochran 1977, Sampling techniques).
        """
        f, g = ((self.weights * function(self.nodes)).sum(2) for function in (above, below))
        whole = g.mean(1, keepdim=True)
        share = torch.where(whole == 0, f.mean(1, keepdim=True), f.mean(1, keepdim=True) / whole)
        spread = torch.where(whole == 0, 0, (f - share * g) / whole)
        return share.squeeze(1), spread.std(1) / math.sqrt(f.shape[1])

    def cumulative(self, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the share of eigenvalues at or below each point, with its standard error.

        Args:
            grid: `(n, g)`, or `(g,)` for all examples.
        """
        at = grid.to(self.nodes).expand(len(self.nodes), -1)
        below = (self.nodes.unsqueeze(1) <= at[:, :, None, None]).to(self.weights)
        return _mean((self.weights.unsqueeze(1) * below).sum(3))

    def density(self, grid: Tensor, width: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the density of eigenvalues, smoothed by a Gaussian, with its standard error.

        Args:
            grid: `(n, g)`, or `(g,)` for all examples.
            width: standard deviation of the Gaussian, in units of eigenvalues; `(n,)` or a number.
        """
        at = grid.to(self.nodes).expand(len(self.nodes), -1)
        sigma = torch.as_tensor(width).to(self.nodes).expand(len(self.nodes))[:, None, None, None]
        away = (at[:, :, None, None] - self.nodes.unsqueeze(1)) / sigma
        bell = (-away.square() / 2).exp() / (sigma * math.sqrt(2 * math.pi))
        return _mean((self.weights.unsqueeze(1) * bell).sum(3))


def hessian_quadrature(
    loss: InputFunction,
    images: Tensor,
    *,
    probes: int = 8,
    steps: int = 40,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> Quadrature:
    """Look at the spectrum of the whole input Hessian of any loss from random directions.

    Args:
        loss: see `landscape.loss`; twice differentiable.
        images: `(n, ...)`, any trailing shape.
        probes: random directions, at least 2.
        steps: of Lanczos for each; the more, the finer the detail of the spectrum that is seen.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: examples at a time; fewer where memory asks for it. It changes the numbers by
            float rounding only.

    Returns:
        Float64 on the CPU.

    Raises:
        InputError: fewer than two probes or one step, bad ids, a product that is not finite.

    Cost: `probes * steps` products of two backward passes each; `steps` images kept.

    Source: Ubaru, Chen, Saad (2017), Fast estimation of tr(f(A)) via stochastic Lanczos quadrature.

    >>> bowl = lambda x: x.square() @ torch.tensor([1.0, 2.0, -0.5])
    >>> found = hessian_quadrature(bowl, torch.zeros(1, 3), probes=2)
    >>> found.trace(torch.abs)[0].round(decimals=3)
    tensor([7.], dtype=torch.float64)
    """
    positive(steps, "--steps")
    names = example_ids(ids, len(images))
    size = images[0].numel()
    block = max(1, min(batch_size, BLOCK // (min(steps, size) * size)))
    found = []
    for rows, part, x in blocks(loss, images, block):
        streams = generators(seed, names[rows], "quadrature")
        found.append(
            quadrature(
                hessian_product(part, x), x.flatten(1), streams, probes=probes, steps=steps,
                narrowed=narrowed_product(part, x),
            )
        )  # fmt: skip
    most = max(part.nodes.shape[2] for part in found)
    nodes, weights = (
        torch.cat([torch.nn.functional.pad(x, (0, most - x.shape[2])) for x in parts])
        for parts in zip(*((part.nodes, part.weights) for part in found), strict=True)
    )
    return Quadrature(nodes, weights, size)


def quadrature(
    product: Product,
    like: Tensor,
    streams: Sequence[np.random.Generator],
    *,
    probes: int = 8,
    steps: int = 40,
    narrowed: Callable[[Tensor], Product] | None = None,
) -> Quadrature:
    """Do as `hessian_quadrature` for `n` symmetric matrices given by their products.

    Arguments as for `landscape.curvature.lanczos`.
    """
    if probes < 2:
        raise InputError(f"--probes: expected at least 2, found {probes}.")
    n, d = like.shape
    size = min(steps, d)
    nodes, weights = (torch.zeros(n, probes, size, dtype=torch.float64) for _ in range(2))
    for probe in range(probes):
        start = signs(streams, (d,), like) / math.sqrt(d)
        # An example ends early only where its space closes, and then nothing is left to see.
        found = lanczos(
            product, like, streams, steps=size, tolerance=-1.0, start=start, narrowed=narrowed
        )
        values, columns = torch.linalg.eigh(tridiagonal(found.diagonal, found.beside))
        nodes[:, probe, : values.shape[1]] = values
        weights[:, probe, : values.shape[1]] = columns[:, 0].square()
    return Quadrature(nodes, weights, d)


def _mean(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard error over the last dimension."""
    return values.mean(-1), values.std(-1) / math.sqrt(values.shape[-1])
