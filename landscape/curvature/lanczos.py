"""Extreme eigenvalues of many symmetric matrices at once, from products alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError, unknown_name
from core.randomness import normal
from landscape.curvature.products import Product
from landscape.curvature.vectors import unit
from landscape.loss import finite, precise

WHICH = ("magnitude", "largest", "smallest")
FEW = 4
"""The product is narrowed when at most one in so many of its examples goes on."""


@dataclass(frozen=True)
class Ritz:
    """What the Lanczos process knows of each matrix when its wanted eigenvalues have settled.

    Attributes:
        values: approximate eigenvalues, `(n, top)`, in the order asked for.
        residuals: `|A v - value v|`, `(n, top)`: an eigenvalue lies within it of the value.
        vectors: their unit vectors, `(n, top, d)`.
        basis: orthonormal rows that span what was explored, `(n, m, d)`; 0 beyond an example's end.
        inside: trace of the matrix within that span, `(n,)`.
        steps: products spent on each example, `(n,)`.
        diagonal: of the tridiagonal matrix that each one is within that span, `(n, m)`.
        beside: what stands beside that diagonal, `(n, m - 1)`.
    """

    values: Tensor
    residuals: Tensor
    vectors: Tensor
    basis: Tensor
    inside: Tensor
    steps: Tensor
    diagonal: Tensor
    beside: Tensor


def lanczos(
    product: Product,
    like: Tensor,
    streams: Sequence[np.random.Generator],
    *,
    top: int = 1,
    which: str = "magnitude",
    steps: int = 100,
    tolerance: float | None = None,
    start: Tensor | None = None,
    narrowed: Callable[[Tensor], Product] | None = None,
) -> Ritz:
    """Find the extreme eigenvalues of `n` symmetric matrices by the Lanczos process.

    With full reorthogonalisation, twice. An example stops when the residuals of all its wanted
    values are within `tolerance` of its largest value, at its own step, whatever the others do. A
    Krylov space that closes before it holds `top` eigenvalues is left by a fresh random direction.
    A repeated eigenvalue may be counted fewer times than it occurs: a single start sees it once.

    Args:
        product: `(n, d) -> (n, d)`.
        like: a tensor `(n, d)` with the precision and device to work in.
        streams: one generator per example, for its directions.
        top: number of eigenvalues, at most `d`.
        which: largest in `magnitude`, `largest`, or `smallest` first.
        steps: at most so many products.
        tolerance: residual relative to the largest value in magnitude; by default that of
            `default_tolerance`. The error of a well separated eigenvalue is of the order of its
            square. A negative one is never met.
        start: unit vectors `(n, d)` to begin with; by default random ones.
        narrowed: returns the product of some of the examples, given their places, so that those
            that have ended are no longer computed; by default all are, to the end.

    Returns:
        Vectors and basis as `like`; all other numbers in float64 on the CPU.

    Raises:
        InputError: an unknown order, or more eigenvalues than dimensions or steps.

    Cost: one product per step, `O(steps^2 d)` for the orthogonalisation, `steps * d` numbers kept.

    Source: Parlett (1998), The symmetric eigenvalue problem, chapter 13.
    """
    n, d = like.shape
    limit = min(steps, d)
    if which not in WHICH:
        raise unknown_name("--which", which, WHICH)
    if not 1 <= top <= limit:
        bound = "as many as dimensions and steps"
        raise InputError(f"--top: expected 1 to {limit} ({bound}), found {top}.")
    if tolerance is None:
        tolerance = default_tolerance(like)
    basis = like.new_zeros(n, limit, d)
    basis[:, 0] = unit(normal(streams, (d,), like)) if start is None else start
    going = torch.arange(n)
    diagonal, off = (torch.zeros(n, limit, dtype=torch.float64) for _ in range(2))
    values, residuals = (torch.zeros(n, top, dtype=torch.float64) for _ in range(2))
    mixing = torch.zeros(n, top, limit, dtype=torch.float64)
    ends = torch.zeros(n, dtype=torch.int64)
    for step in range(limit):
        open_ = ends == 0
        if narrowed is not None and FEW * int(open_.sum()) <= len(going):
            going = open_.nonzero().squeeze(1)
            product = narrowed(going)
        current = basis[:, step]
        following = torch.zeros_like(current)
        following[going] = product(current[going])
        diagonal[:, step] = finite(precise((following * current).sum(1)), "curvature")
        following, length = _orthogonal(following, basis[:, : step + 1])
        scale = tridiagonal(diagonal[:, : step + 1], off[:, :step]).flatten(1).abs().amax(1)
        closed = length <= 10 * torch.finfo(like.dtype).eps * scale
        off[:, step] = torch.where(closed, 0, length)
        last = step + 1 == limit
        # Without a tolerance to meet, an example ends where its space closes, or with the steps.
        if step + 1 >= top and (tolerance >= 0 or last or bool(closed.any())):
            theta, ritz = _ritz(diagonal, off, step + 1, which, top)
            found = off[:, step, None] * ritz[:, :, -1].abs()
            settled = (found <= tolerance * theta.abs().amax(1, keepdim=True)).all(1)
            new = open_ & (settled | closed | last)
            values[new], residuals[new], ends[new] = theta[new], found[new], step + 1
            mixing[new, :, : step + 1] = ritz[new]
            open_ &= ~new
        if not open_.any():
            break
        restarted = [i for i in range(n) if closed[i] and open_[i]]
        if restarted:
            fresh = normal([streams[i] for i in restarted], (d,), like)
            following[restarted] = _orthogonal(fresh, basis[restarted, : step + 1])[0]
        following[(~open_).to(following.device)] = 0
        basis[:, step + 1] = following
    used = int(ends.max())
    diagonal = torch.where(torch.arange(limit) < ends[:, None], diagonal, 0)[:, :used]
    beside = torch.where(torch.arange(limit) < ends[:, None] - 1, off, 0)[:, : used - 1]
    vectors = unit(mixing[:, :, :used].to(like) @ basis[:, :used])
    return Ritz(
        values, residuals, vectors, basis[:, :used], diagonal.sum(1), ends, diagonal, beside
    )


def default_tolerance(like: Tensor) -> float:
    """Return the residual, relative to the largest eigenvalue, at which a precision may stop.

    >>> default_tolerance(torch.zeros(1)), default_tolerance(torch.zeros(1).double())
    (0.0001, 1e-08)
    """
    return 1e-8 if like.dtype == torch.float64 else 1e-4


def _orthogonal(vectors: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Return unit vectors `(n, d)` orthogonal to basis rows, and the lengths they had, `(n,)`."""
    for _ in range(2):
        along = torch.einsum("nmd,nd->nm", basis, vectors)
        vectors = vectors - torch.einsum("nmd,nm->nd", basis, along)
    return unit(vectors), precise(torch.linalg.vector_norm(vectors, dim=1))


def tridiagonal(diagonal: Tensor, beside: Tensor) -> Tensor:
    """Return symmetric matrices `(n, m, m)` from their diagonals and what stands beside them."""
    return torch.diag_embed(diagonal) + torch.diag_embed(beside, 1) + torch.diag_embed(beside, -1)


def _ritz(diagonal: Tensor, off: Tensor, size: int, which: str, top: int) -> tuple[Tensor, Tensor]:
    """Return the wanted eigenvalues of the tridiagonal matrices and their vectors as rows."""
    values, columns = torch.linalg.eigh(tridiagonal(diagonal[:, :size], off[:, : size - 1]))
    key = {"magnitude": -values.abs(), "largest": -values, "smallest": values}[which]
    order = key.argsort(dim=1, stable=True)[:, :top]
    rows = columns.transpose(1, 2).gather(1, order.unsqueeze(2).expand(-1, -1, size))
    return values.gather(1, order), rows
