"""The largest eigenvalues of the softmax's part of the input Hessian, whatever the classes' number.

Written as in `landscape.curvature.raised_logits`, that part is `H = (1 - p_y) A' A` with a matrix
`A` of one row per class and one for their mean. `A' u` is a backward pass, `A v` a forward one: the
Lanczos process on `A A'` runs in the space of the classes, where its vectors are small, and each of
its steps costs two passes for a whole batch. A thousand classes need no more steps than ten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.randomness import normal
from landscape.curvature.hutchpp import form_outside
from landscape.curvature.lanczos import default_tolerance, lanczos
from landscape.curvature.products import Product
from landscape.curvature.raised_logits import Logits, RaisedLogits, raised_logits
from landscape.curvature.spectrum import Spectrum
from landscape.curvature.vectors import unit
from landscape.loss import precise

GUESSES = 10  # power iterations, in the space of the classes alone, for where to begin
RANDOM = 0.1  # of the first vector, so that no eigenvector is orthogonal to it by symmetry


def softmax_lanczos(
    logits: Logits,
    images: Tensor,
    streams: Sequence[np.random.Generator],
    *,
    top: int = 1,
    vectors: int = 0,
    steps: int = 100,
    tolerance: float | None = None,
    probes: int = 16,
) -> Spectrum:
    """Find the largest eigenvalues of `J' (diag p - p p') J` of each example, and its trace.

    The process begins near the eigenvector that the matrix would have if the gradients of all
    classes were orthogonal and equally long. Vectors are orthogonalised in full. An example stops
    when the residuals of all wanted eigenvalues are within `tolerance` of its largest, at its own
    step. The trace is exact within the space explored; outside it is estimated with random vectors
    `g` in the space of the classes, `E|A' g|^2` (Hutch++; Meyer, Musco, Musco, Woodruff 2021).

    Args:
        logits: images `(n, ...)` to logits `(n, c)`, differentiable once.
        images: `(n, ...)`, any trailing shape.
        streams: one generator per example.
        top: number of eigenvalues, at most `c - 1` and the number of pixels.
        vectors: number of eigenvectors to return, at most `top`.
        steps: at most so many.
        tolerance: residual relative to the largest eigenvalue; by default 1e-4, and 1e-8 for
            float64. The error of a well separated eigenvalue is of the order of its square.
        probes: random vectors for the trace, at least 2; or 0, for no trace.

    Returns:
        From the largest. The error is the residual, within which there is an eigenvalue; the first
        is not above the true one.

    Raises:
        InputError: more eigenvalues than there can be or than steps, or one probe.

    Cost: two passes, and for each step a backward pass and 0.7 of one more; one backward pass for
    each probe and each eigenvector.

    Sources: Golub and Kahan (1965), Calculating the singular values and pseudo-inverse of a matrix;
    Parlett (1998), The symmetric eigenvalue problem, chapter 13.

    >>> slopes = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).double()
    >>> streams = [np.random.default_rng(0)]
    >>> found = softmax_lanczos(lambda x: x @ slopes.T, torch.zeros(1, 2).double(), streams, top=2)
    >>> found.eigenvalues.round(decimals=3)
    tensor([[2.0600, 0.1620]], dtype=torch.float64)
    """
    if probes == 1 or probes < 0:
        raise InputError(f"--probes: expected at least 2, or 0 for no trace, found {probes}.")
    raised = raised_logits(logits, images, forwards=True)
    most = min(steps, raised.share.shape[1] - 1, images[0].numel())
    if not 1 <= top <= most:
        bound = "as many as classes but one, pixels and steps"
        raise InputError(f"--top: expected 1 to {most} ({bound}), found {top}.")
    start = _start(raised, streams)
    ritz = lanczos(
        _square(raised),
        start,
        streams,
        top=top,
        which="largest",
        steps=steps,
        tolerance=default_tolerance(images) if tolerance is None else tolerance,
        start=start,
        narrowed=lambda rows: _square(raised_logits(logits, images[rows], forwards=True)),
    )
    pictures = [raised.pull(_transposed(raised, u)) for u in ritz.vectors[:, :vectors].unbind(1)]
    outside = spread = torch.full_like(raised.log_rest, torch.nan)
    if probes:
        outside, spread = form_outside(
            lambda u: precise(raised.pull(_transposed(raised, u))).square().sum(1),
            ritz.basis,
            streams,
            probes=probes,
        )
    rest = raised.rest
    return Spectrum(
        eigenvalues=ritz.values.clamp_min(0) * rest,
        error=ritz.residuals * rest,
        vectors=unit(torch.stack(pictures, 1)) if pictures else images.flatten(1)[:, None][:, :0],
        trace=(ritz.inside + outside) * rest[:, 0],
        standard_error=spread * rest[:, 0],
    )


def _square(raised: RaisedLogits) -> Product:
    """Return the function `u -> A A' u`, `(n, c + 1) -> (n, c + 1)`."""

    def product(u: Tensor) -> Tensor:
        return _root(raised, raised.push(raised.pull(_transposed(raised, u))))

    return product


def _root(raised: RaisedLogits, derivatives: Tensor) -> Tensor:
    """Return `A v`, `(n, c + 1)`, given the derivatives of `z_k - z_y` along `v`, `(n, c)`."""
    mean = (raised.share * derivatives).sum(1, keepdim=True)
    spread = raised.share.sqrt() * (derivatives - mean)
    return torch.cat([spread, (1 - raised.rest).sqrt() * mean], 1)


def _transposed(raised: RaisedLogits, u: Tensor) -> Tensor:
    """Return the weights `(n, c)` of the gradients of `z_k - z_y` that add up to `A' u`."""
    spread, mean = u[:, :-1], u[:, -1:]
    roots = raised.share.sqrt()
    along = (roots * spread).sum(1, keepdim=True)
    return roots * spread + raised.share * ((1 - raised.rest).sqrt() * mean - along)


def _start(raised: RaisedLogits, streams: Sequence[np.random.Generator]) -> Tensor:
    """Return the first vector: the top eigenvector if all gradients were alike, and some chance."""
    guess = _root(raised, torch.ones_like(raised.share))
    for _ in range(GUESSES):
        # Orthogonal gradients of length 1 have the inner products 1 + [j = k], less their own.
        weights = _transposed(raised, unit(guess))
        guess = _root(raised, weights + weights.sum(1, keepdim=True))
    chance = _root(raised, normal(streams, raised.share.shape[1:], raised.share))
    return unit(unit(guess) + RANDOM * unit(chance))
