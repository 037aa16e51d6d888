"""Spectrum and trace of the input Hessian of a loss, by the best method that the network allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InputError, unknown_name
from core.models.piecewise import smooth_operations
from core.randomness import generators
from landscape.curvature.closed_form import closed_form
from landscape.curvature.hutchpp import trace_outside
from landscape.curvature.lanczos import lanczos
from landscape.curvature.products import hessian_product, narrowed_product
from landscape.curvature.spectrum import Spectrum, joined
from landscape.curvature.vectors import BLOCK
from landscape.loss import InputFunction, Loss, blocks, example_ids, finite

METHODS = ("auto", "exact", "gauss_newton", "lanczos")
EXACT, GAUSS_NEWTON, LANCZOS = "exact (piecewise linear)", "Gauss-Newton", "Lanczos"


@dataclass(frozen=True)
class Curvature:
    """Curvature of the loss at each example, in nats per input unit squared.

    Attributes:
        method: what the numbers are: `exact (piecewise linear)`, the whole Hessian of a network
            without curvature of its own; `Gauss-Newton`, the part of a smooth network's Hessian
            that its slopes make; `Lanczos`, the whole Hessian, from products.
        eigenvalues: `(n, k)`, from the largest in magnitude.
        error: bound of the error of each eigenvalue beyond float rounding, `(n, k)`: 0; or, by
            Lanczos, the residual; or, where classes were left out, the bound of their trace.
        trace: `(n,)`; NaN without probes, where it would have to be estimated.
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
    share: float = 1e-5,
    steps: int = 100,
    tolerance: float | None = None,
    probes: int = 16,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> Curvature:
    """Compute eigenvalues and trace of the Hessian of the loss with respect to each image.

    The part that the softmax makes, `J' (diag p - p p') J`, has a closed form. For a
    piecewise-linear network it is the whole Hessian (`exact`), for a smooth one the Gauss-Newton
    part (`gauss_newton`). It does not depend on the label; for the log-probability its sign is
    turned, and for the margin, piecewise linear itself, it is 0. Each example takes the cheaper of
    two ways there: class by class, leaving out those that carry next to no probability (see
    `landscape.curvature.softmax`), or, for some of the eigenvalues of many classes, by Lanczos in
    the space of the classes (`landscape.curvature.softmax_lanczos`).

    `lanczos` takes any loss and gives the whole Hessian: eigenvalues by Lanczos, the trace by
    Hutch++. `auto` takes the closed form for a `Loss`, except for the margin of a smooth network,
    and Lanczos for a plain function; the result's `method` says what was done.

    Args:
        loss: see `landscape.loss`. For `lanczos` twice differentiable; at kinks, such as those of
            ReLU, torch's convention holds, which is the Hessian of the linear piece.
        images: `(n, ...)`, any trailing shape.
        method: `auto`, `exact`, `gauss_newton` or `lanczos`.
        top: eigenvalues to return; by default all of the closed form, but 10 where there are more
            than `classes`, and 1 for `lanczos`.
        vectors: eigenvectors to return, at most as many as eigenvalues.
        classes: the largest number of classes, beside the predicted one, for which all eigenvalues
            are computed by default.
        share: of the probability of all classes but the predicted one, what may be left out; 0
            leaves out none.
        steps: for Lanczos, at most so many products per example.
        tolerance: for Lanczos, residual relative to the largest eigenvalue at which to stop; by
            default 1e-4, and 1e-8 for float64.
        probes: random vectors for what of the trace is estimated; 0 for no such estimate.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: examples at a time; fewer where memory asks for it. It changes the numbers by
            float rounding only.

    Returns:
        Float64 tensors on the CPU; the vectors as the images.

    Raises:
        InputError: an unknown method, a closed form for a plain function, `exact` for a smooth
            network, bad sizes or ids, or a result that is not finite.

    Cost per example: in closed form one or two forward and `c - 1` backward passes, or less: as
    many as it needs classes, and `probes + 1`; or 1.7 for each of a handful of steps, and `probes`.
    `lanczos`: at most `steps + probes` products of two backward passes each.

    >>> bowl = lambda x: x.square() @ torch.tensor([1.0, 2.0])
    >>> input_hessian(bowl, torch.zeros(1, 2), top=2).eigenvalues.round(decimals=4)
    tensor([[4., 2.]], dtype=torch.float64)
    """
    if method not in METHODS:
        raise unknown_name("--method", method, METHODS)
    if classes < 1:
        raise InputError(f"--classes: expected at least 1, found {classes}.")
    if probes == 1 or probes < 0:
        raise InputError(f"--probes: expected at least 2, or 0 for no trace, found {probes}.")
    if top is not None and top < max(vectors, 1):
        raise InputError(f"--top: expected at least as many as --vectors and 1, found {top}.")
    names = example_ids(ids, len(images))
    label = method_of(loss, images, method)
    if label == LANCZOS:
        wanted = top or max(vectors, 1)
        found = _by_lanczos(
            loss, images, names, seed, wanted, vectors, steps, tolerance, probes, batch_size
        )
    else:
        assert isinstance(loss, Loss)
        found = closed_form(
            loss, images, names, seed=seed, top=top, vectors=vectors, classes=classes,
            share=share if probes else 0.0, steps=steps, tolerance=tolerance, probes=probes,
            batch_size=batch_size,
        )  # fmt: skip
    if vectors > found.eigenvalues.shape[1]:
        most = found.eigenvalues.shape[1]
        raise InputError(
            f"--vectors: expected at most {most}, one per eigenvalue, found {vectors}."
        )
    if probes:
        finite(found.trace, "curvature")
    pictures = found.vectors.reshape(*found.vectors.shape[:2], *images.shape[1:])
    return Curvature(
        label, found.eigenvalues, found.error, found.trace, found.standard_error, pictures
    )


def method_of(loss: InputFunction, images: Tensor, method: str = "auto") -> str:
    """Say what `input_hessian` computes by a method: `EXACT`, `GAUSS_NEWTON` or `LANCZOS`.

    Raises:
        InputError: the method does not suit the loss.
    """
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


def _by_lanczos(
    loss: InputFunction,
    images: Tensor,
    names: Sequence[str],
    seed: int,
    top: int,
    vectors: int,
    steps: int,
    tolerance: float | None,
    probes: int,
    batch_size: int,
) -> Spectrum:
    """Return eigenvalues, error, vectors, trace and its standard error of the whole Hessian."""
    size = BLOCK // (min(steps, images[0].numel()) * images[0].numel())
    found = []
    for rows, part, x in blocks(loss, images, max(1, min(batch_size, size))):
        streams = generators(seed, names[rows], "curvature")
        product = hessian_product(part, x)
        ritz = lanczos(
            product, x.flatten(1), streams, top=top, steps=steps, tolerance=tolerance,
            narrowed=narrowed_product(part, x),
        )  # fmt: skip
        trace = spread = torch.full((len(x),), torch.nan, dtype=torch.float64)
        if probes:
            outside, spread = trace_outside(product, ritz.basis, streams, probes=probes)
            trace = ritz.inside + outside
        found.append(
            Spectrum(ritz.values, ritz.residuals, ritz.vectors[:, :vectors], trace, spread)
        )
    return joined(found)
