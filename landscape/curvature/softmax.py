"""The part of the cross-entropy's input Hessian that the softmax makes, class by class.

`J' (diag p - p p') J`, with `J` the Jacobian of the logits: see `landscape.curvature.raised_logits`
for the sum of squares that it is. For a piecewise-linear network this is the whole Hessian, almost
everywhere; for a smooth one it is the Gauss-Newton part. Its rank is below the number of classes,
so that the spectra of a whole batch follow from one backward pass per class: the nonzero
eigenvalues are those of a small Gram matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import chi2
from torch import Tensor

from core.errors import InputError
from core.randomness import normal
from landscape.curvature.raised_logits import Logits, RaisedLogits, raised_logits
from landscape.curvature.spectrum import Spectrum
from landscape.curvature.vectors import unit
from landscape.loss import finite, precise

GRAM_PIECE = 4096  # coordinates turned to float64 at a time
CERTAINTY = 0.975


def softmax_curvature(
    logits: Logits,
    images: Tensor,
    *,
    share: float = 0.0,
    vectors: int = 0,
    probes: int = 16,
    streams: Sequence[np.random.Generator] = (),
) -> Spectrum:
    """Compute the spectrum of the softmax's part of each example's input Hessian.

    The most probable classes that carry all but `share` of `1 - p_y` take part one by one, each
    example with as many as it needs; those left take part as one, with their mean gradient `m`. So
    what is missing is their spread, `R = sum_left p_k (D_k - m)(D_k - m)'`, positive semidefinite:
    by Weyl no eigenvalue is too large, and none too small by more than the trace of `R`. It is
    estimated with Gaussian vectors, `tr R = E|sum_left g_k sqrt(p_k) (D_k - m)|^2`, and counted in
    `trace`. Whatever the spectrum of `R`, with probability .975 its trace is at most the estimate
    times `probes / chi2`, with the quantile .025 of chi-squared on `probes` degrees of freedom: a
    sum of squares is least reliable where it has one term. That is the error.

    Args:
        logits: images `(n, ...)` to logits `(n, c)`, differentiable once.
        images: `(n, ...)`, any trailing shape.
        share: of `1 - p_y`, that may be left out; where this would not spare a pass, all classes
            take part.
        vectors: number of eigenvectors to return.
        probes: random vectors for the classes left out, at least 2.
        streams: one generator per example, for the probes; unused where no class is left out.

    Returns:
        From the largest; not negative, and not above the true ones.

    Raises:
        InputError: a share outside [0, 1), fewer than two probes.

    Cost: one forward pass and as many backward passes as the example that needs most has classes,
    and `probes + 1` where some are left out; memory for that many gradients, without the probes.
    `landscape.curvature.input_hessian` puts examples together that need similarly many.

    Source of the bound: Roosta-Khorasani, Szekely, Ascher (2015), Assessing stochastic algorithms
    for large scale nonlinear least squares problems using extremal probabilities of linear
    combinations of gamma random variables.

    >>> found = softmax_curvature(lambda x: x, torch.tensor([[50.0, 0.0]], dtype=torch.float64))
    >>> bool((found.trace - 2 * math.exp(-50)).abs() < 1e-30)
    True
    """
    raised = raised_logits(logits, images)
    counts = classes_needed(raised.share, share, probes)
    n, others = len(images), raised.share.shape[1] - 1
    most = int(counts.max()) if n else 0
    order = raised.share.topk(most, dim=1).indices
    taken = torch.arange(most) < counts.unsqueeze(1)
    rows = [
        raised.pull(torch.zeros_like(raised.share).scatter_(1, k, 1)) for k in order.split(1, dim=1)
    ]
    weights = raised.share.gather(1, order) * taken
    error, mean, spread = (torch.zeros(n, dtype=torch.float64) for _ in range(3))
    if bool((counts < others).any()):
        left = raised.share - torch.zeros_like(raised.share).scatter(1, order, weights)
        whole = left.sum(1, keepdim=True)
        rows.append(raised.pull(left / whole.clamp_min(torch.finfo(torch.float64).tiny)))
        weights = torch.cat([weights, whole], 1)
        mean, spread = _trace_left(raised, left, rows[-1], probes, streams) * raised.rest.T
        error = mean * probes / float(chi2.ppf(1 - CERTAINTY, probes))
    gradients = torch.stack(rows, 1)
    factor = _factor(weights, raised.rest)
    small = factor @ gram(gradients) @ factor.transpose(1, 2)
    values, columns = torch.linalg.eigh(finite(small, "curvature"))
    values, columns = values.flip(1).clamp_min(0), columns.flip(2)
    rank = min(len(rows), gradients.shape[2])
    mixing = columns[:, :, :vectors].transpose(1, 2) @ factor
    found = values[:, :rank] * raised.rest
    return Spectrum(
        eigenvalues=found,
        error=error.unsqueeze(1).expand_as(found),
        vectors=unit(mixing.to(gradients) @ gradients),
        trace=small.diagonal(dim1=1, dim2=2).sum(1) * raised.rest[:, 0] + mean,
        standard_error=spread,
    )


def classes_needed(of: Tensor, share: float, probes: int) -> Tensor:
    """Return how many classes each example takes one by one, `(n,)`, given its `q` `(n, c)`.

    As many as carry all but `share` of `1 - p_y`; all beside the predicted one where leaving some
    out would not spare a pass, since it takes `probes + 1` to say what is missing.

    >>> shares = torch.tensor([[0.0, 0.96, 0.03, 0.01, 0.0], [0.0, 0.25, 0.25, 0.25, 0.25]])
    >>> classes_needed(shares, 0.05, probes=2)
    tensor([4, 4])
    >>> shares = torch.nn.functional.pad(shares, (0, 9))
    >>> classes_needed(shares, 0.05, probes=2)
    tensor([1, 4])
    """
    if not 0 <= share < 1:
        raise InputError(f"--share: expected at least 0 and below 1, found {share}.")
    others = of.shape[1] - 1
    if share == 0:
        return torch.full((len(of),), others)
    if probes < 2:
        raise InputError(f"--probes: expected at least 2, found {probes}.")
    carried = of.sort(1, descending=True).values.cumsum(1)
    needed = ((1 - carried) > share).sum(1) + 1
    return torch.where(needed + probes + 1 < others, needed, others)


def _factor(weights: Tensor, rest: Tensor) -> Tensor:
    """Return the matrix `T` with `H = (1 - p_y) (T D)' (T D)`, `(n, m + 1, m)`, for `q` `(n, m)`.

    Rows for the spread of the classes about their mean, and one for the mean itself.
    """
    mean = weights.unsqueeze(1)
    about = torch.eye(weights.shape[1], dtype=torch.float64) - mean
    return torch.cat(
        [weights.sqrt().unsqueeze(2) * about, (1 - rest).sqrt().unsqueeze(2) * mean], 1
    )


def _trace_left(
    raised: RaisedLogits,
    left: Tensor,
    middle: Tensor,
    probes: int,
    streams: Sequence[np.random.Generator],
) -> Tensor:
    """Return the trace of the classes left out over `1 - p_y`, and its standard error, `(2, n)`."""
    roots = left.sqrt()
    found = []
    for _ in range(probes):
        drawn = roots * normal(streams, roots.shape[1:], roots)
        gap = precise(raised.pull(drawn)) - drawn.sum(1, keepdim=True) * precise(middle)
        found.append(gap.square().sum(1))
    values = torch.stack(found)
    return torch.stack([values.mean(0), values.std(0) / math.sqrt(probes)])


def gram(rows: Tensor) -> Tensor:
    """Return the inner products of rows `(n, m, d)` in float64, some coordinates at a time."""
    total = torch.zeros(len(rows), rows.shape[1], rows.shape[1], dtype=torch.float64)
    for piece in rows.split(GRAM_PIECE, dim=2):
        exact = piece if piece.device.type == "mps" else piece.to(torch.float64)
        total += precise(exact @ exact.transpose(1, 2))
    return total
