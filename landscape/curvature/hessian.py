"""Spectrum and trace of the input Hessian of a loss, by the best method that the network allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError, unknown_name
from core.models.piecewise import smooth_operations
from core.randomness import generators
from landscape.curvature.lanczos import lanczos
from landscape.curvature.products import hessian_product
from landscape.curvature.softmax import softmax_curvature
from landscape.curvature.trace import trace_outside
from landscape.loss import InputFunction, Loss, blocks, example_ids, finite

METHODS = ("auto", "exact", "gauss_newton", "lanczos")
EXACT, GAUSS_NEWTON, LANCZOS = "exact (piecewise linear)", "Gauss-Newton", "Lanczos"
SIGNS = {"cross_entropy": 1.0, "log_probability": -1.0, "margin": 0.0}
BLOCK = 2**28  # numbers kept for one block of examples: 1 GiB in float32


@dataclass(frozen=True)
class Curvature:
    """Curvature of the loss at each example, in nats per input unit squared.

    Attributes:
        method: what the numbers are: `exact (piecewise linear)`, the whole Hessian of a network
            without curvature of its own; `Gauss-Newton`, the part of a smooth network's Hessian
            that its slopes make; `Lanczos`, the whole Hessian, from products.
        eigenvalues: `(n, k)`, from the largest in magnitude. The first two methods give all that
            can differ from 0; Lanczos as many as asked for.
        error: bound of the error of each eigenvalue beyond float rounding, `(n, k)`: 0 or, where
            classes were left out, their trace (estimate plus two standard errors), or the Lanczos
            residual.
        trace: `(n,)`.
        trace_standard_error: `(n,)`; 0 where nothing was drawn.
        vectors: unit eigenvectors of the first eigenvalues, `(n, v, ...)` like the images; 0 for an
            eigenvalue of 0.
    """

    method: str
    eigenvalues: Tensor
    error: Tensor
    trace: Tensor
    trace_standard_error: Tensor
    vectors: Tensor

    @property
    def top(self) -> Tensor:
        """The eigenvalue largest in magnitude, with its sign, `(n,)`."""
        return self.eigenvalues[:, 0]


def input_hessian(
    loss: InputFunction,
    images: Tensor,
    *,
    method: str = "auto",
    top: int | None = None,
    vectors: int = 0,
    classes: int = 64,
    steps: int = 100,
    tolerance: float | None = None,
    probes: int = 16,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> Curvature:
    """Compute eigenvalues and trace of the Hessian of the loss with respect to each image.

    The part that the softmax makes, `J' (diag p - p p') J`, has a closed form: see
    `landscape.curvature.softmax`. For a piecewise-linear network it is the whole Hessian
    (`exact`), for a smooth one the Gauss-Newton part (`gauss_newton`). It does not depend on the
    label; for the log-probability its sign is turned, and for the margin, piecewise linear itself,
    it is 0. `lanczos` takes any loss and gives the whole Hessian: eigenvalues by Lanczos, the trace
    by Hutchinson with the Krylov space taken out. `auto` takes the closed form for a `Loss`, except
    for the margin of a smooth network, and Lanczos for a plain function; the result's `method` says
    what was done.

    Args:
        loss: see `landscape.loss`. For `lanczos` twice differentiable; at kinks, such as those of
            ReLU, torch's convention holds, which is the Hessian of the linear piece.
        images: `(n, ...)`, any trailing shape.
        method: `auto`, `exact`, `gauss_newton` or `lanczos`.
        top: eigenvalues to return; by default all of the closed form, and 1 for `lanczos`.
        vectors: eigenvectors to return, at most `top`.
        classes: for the closed form, at most so many classes beside the predicted one take part.
        steps: for `lanczos`, at most so many products per example for the eigenvalues.
        tolerance: for `lanczos`, residual relative to the largest eigenvalue at which to stop; by
            default 1e-4, and 1e-8 for float64.
        probes: random vectors for what of the trace is estimated.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: examples at a time; fewer where memory asks for it. It changes the numbers by
            float rounding only.

    Returns:
        Float64 tensors on the CPU; the vectors as the images.

    Raises:
        InputError: an unknown method, a closed form for a plain function, `exact` for a smooth
            network, bad sizes or ids, or a result that is not finite.

    Cost per example: in closed form one forward and `min(classes, c - 1)` backward passes;
    `lanczos` at most `steps + probes` products of two backward passes each.

    >>> bowl = lambda x: x.square() @ torch.tensor([1.0, 2.0])
    >>> input_hessian(bowl, torch.zeros(1, 2), top=2).eigenvalues.round(decimals=4)
    tensor([[4., 2.]], dtype=torch.float64)
    """
    if method not in METHODS:
        raise unknown_name("--method", method, METHODS)
    if classes < 1:
        raise InputError(f"--classes: expected at least 1, found {classes}.")
    names = example_ids(ids, len(images))
    label = _label(loss, images, method)
    if label == LANCZOS:
        size = BLOCK // (min(steps, images[0].numel()) * images[0].numel())
    else:
        size = BLOCK // (classes * images[0].numel())
    found = []
    for rows, part, x in blocks(loss, images, max(1, min(batch_size, size))):
        streams = generators(seed, names[rows], "curvature")
        if label == LANCZOS:
            found.append(_by_lanczos(part, x, streams, top or 1, vectors, steps, tolerance, probes))
        else:
            found.append(_closed_form(part, x, streams, top, vectors, classes, probes))
    values, error, trace, trace_error, directions = (
        torch.cat(parts) for parts in zip(*found, strict=True)
    )
    finite(trace, "curvature")
    pictures = directions.reshape(*directions.shape[:2], *images.shape[1:])
    return Curvature(label, values, error, trace, trace_error, pictures)


def _label(loss: InputFunction, images: Tensor, method: str) -> str:
    """Say what will be computed."""
    if method == "lanczos" or (method == "auto" and not isinstance(loss, Loss)):
        return LANCZOS
    if not isinstance(loss, Loss):
        raise InputError(f"--method: {method!r} needs a classifier's Loss, found a plain function.")
    if method == "gauss_newton":
        return GAUSS_NEWTON
    smooth = smooth_operations(loss.classifier, images[:1])
    if not smooth:
        return EXACT
    if method == "exact":
        listed = ", ".join(smooth)
        raise InputError(f"--method: 'exact' needs a piecewise-linear network, found {listed}.")
    return LANCZOS if loss.kind == "margin" else GAUSS_NEWTON


def _closed_form(
    loss: InputFunction,
    images: Tensor,
    streams: Sequence[np.random.Generator],
    top: int | None,
    vectors: int,
    classes: int,
    probes: int,
) -> tuple[Tensor, ...]:
    """Return eigenvalues, error, trace, its standard error and vectors of a block."""
    assert isinstance(loss, Loss)
    found = softmax_curvature(
        loss.logits, images, classes=classes, vectors=vectors, probes=probes, streams=streams
    )
    sign = SIGNS[loss.kind]
    values = found.eigenvalues[:, :top] * sign
    error = (found.unseen + 2 * found.standard_error).abs().unsqueeze(1).expand_as(values)
    spread = found.standard_error
    if sign == 0:
        error, spread = torch.zeros_like(error), torch.zeros_like(spread)
    return values, error, found.trace * sign, spread, found.vectors


def _by_lanczos(
    loss: InputFunction,
    images: Tensor,
    streams: Sequence[np.random.Generator],
    top: int,
    vectors: int,
    steps: int,
    tolerance: float | None,
    probes: int,
) -> tuple[Tensor, ...]:
    """Return eigenvalues, error, trace, its standard error and vectors of a block."""
    product = hessian_product(loss, images)
    like = images.flatten(1)
    ritz = lanczos(product, like, streams, top=top, steps=steps, tolerance=tolerance)
    outside, spread = trace_outside(product, ritz.basis, streams, probes=probes)
    return ritz.values, ritz.residuals, ritz.inside + outside, spread, ritz.vectors[:, :vectors]
