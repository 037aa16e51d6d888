"""The part of the cross-entropy's input Hessian that the softmax makes: `J' (diag p - p p') J`.

`J` is the Jacobian of the logits. For a piecewise-linear network this is the whole Hessian, almost
everywhere; for a smooth one it is the Gauss-Newton part. Its rank is below the number of classes,
so that the spectra of a whole batch follow from one backward pass per class.

Written out, `diag p - p p'` cancels to 0 once `1 - p` is below the float type's resolution. Here,
with `y` the predicted class and `D_k = J_k - J_y`,

    H / (1 - p_y)  =  sum_{k != y} q_k (D_k - m) (D_k - m)'  +  p_y (1 - p_y) M M',

    q_k = p_k / (1 - p_y),    M = sum_k q_k D_k,    m = (1 - p_y) M,

a sum of squares whose terms are of order 1 at any confidence; `q` and `log(1 - p_y)` come from
log-sum-exps in float64. The nonzero eigenvalues are those of the small Gram matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.randomness import signs
from landscape.loss import finite, precise

GRAM_PIECE = 4096  # coordinates turned to float64 at a time


@dataclass(frozen=True)
class SoftmaxCurvature:
    """Spectrum of `J' (diag p - p p') J` for each example.

    Attributes:
        eigenvalues: `(n, k)`, from the largest; not negative.
        vectors: unit eigenvectors of the first ones, `(n, v, d)`; 0 for an eigenvalue of 0.
        trace: `(n,)`.
        unseen: trace of the part of the classes left out, `(n,)`, an estimate: the true
            eigenvalues lie between those given and those plus it. 0 where all took part.
        standard_error: standard error of `trace` and of `unseen`, `(n,)`.
    """

    eigenvalues: Tensor
    vectors: Tensor
    trace: Tensor
    unseen: Tensor
    standard_error: Tensor


def softmax_curvature(
    logits: Callable[[Tensor], Tensor],
    images: Tensor,
    *,
    classes: int = 64,
    vectors: int = 0,
    probes: int = 16,
    streams: Sequence[np.random.Generator] = (),
) -> SoftmaxCurvature:
    """Compute the spectrum of the softmax's part of each example's input Hessian.

    With more than `classes` classes beside the predicted one, only the most probable take part.
    Each class left out would add a positive semidefinite term `p_k (D_k - m)(D_k - m)'`, so by Weyl
    no eigenvalue is too large, and none too small by more than the trace of these terms. That trace
    is estimated with random signs, `E|sum_k s_k sqrt(p_k) (D_k - m)|^2`, and counted in `trace`.

    Args:
        logits: images `(n, ...)` to logits `(n, c)`, differentiable once.
        images: `(n, ...)`, any trailing shape.
        classes: at most so many classes beside the predicted one.
        vectors: number of eigenvectors to return.
        probes: random sign vectors for the classes left out, at least 2; unused where none is.
        streams: one generator per example, for the probes; unused where no class is left out.

    Returns:
        Float64 on the CPU; the vectors as the images.

    Cost: one forward pass and `min(classes, c - 1)` backward passes, plus `probes + 1` where
    classes are left out; memory for that many gradients, the probes not counted.

    >>> found = softmax_curvature(lambda x: x, torch.tensor([[50.0, 0.0]], dtype=torch.float64))
    >>> bool((found.trace - 2 * math.exp(-50)).abs() < 1e-30)
    True
    """
    with torch.enable_grad():
        points = images.detach().requires_grad_()
        scores = logits(points)
        raised = scores - scores.gather(1, scores.detach().argmax(1, keepdim=True))

    def backward(weights: Tensor) -> Tensor:
        """Return the gradient of each example's weighted sum of `z_k - z_y`, `(n, d)`."""
        (found,) = torch.autograd.grad(
            raised, points, weights.to(raised), retain_graph=True, allow_unused=True,
            materialize_grads=True,
        )  # fmt: skip
        return found.flatten(1)

    log_rest, share = _odds(precise(scores))
    rest = log_rest.exp().unsqueeze(1)
    count = min(classes, share.shape[1] - 1)
    order = share.topk(count, dim=1).indices
    rows = [backward(torch.zeros_like(share).scatter_(1, k, 1)) for k in order.split(1, dim=1)]
    weights = share.gather(1, order)
    all_seen = count == share.shape[1] - 1
    unseen = torch.zeros(len(share), 2, dtype=torch.float64)
    if not all_seen:
        rows.append(backward(share))
        left = share.scatter(1, order, 0).sqrt()
        unseen = _unseen(backward, left, rest * precise(rows[-1]), probes, streams)
    gradients = torch.stack(rows, 1)
    factor = _factor(weights, rest, all_seen)
    small = factor @ _gram(gradients) @ factor.transpose(1, 2)
    values, columns = torch.linalg.eigh(finite(small, "curvature"))
    values, columns = values.flip(1).clamp_min(0), columns.flip(2)
    rank = min(len(rows), gradients.shape[2])
    mixing = columns[:, :, :vectors].transpose(1, 2) @ factor
    mean, error = (unseen * rest).unbind(1)
    return SoftmaxCurvature(
        eigenvalues=values[:, :rank] * rest,
        vectors=_unit(mixing.to(gradients) @ gradients),
        trace=small.diagonal(dim1=1, dim2=2).sum(1) * rest[:, 0] + mean,
        unseen=mean,
        standard_error=error,
    )


def _odds(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return `log(1 - p_y)` of the predicted class and `p_k / (1 - p_y)`, which is 0 for it."""
    predicted = scores.argmax(1, keepdim=True)
    others = scores.scatter(1, predicted, float("-inf"))
    log_rest = torch.logsumexp(others, 1) - torch.logsumexp(scores, 1)
    return log_rest, torch.softmax(others, 1)


def _factor(weights: Tensor, rest: Tensor, all_seen: bool) -> Tensor:
    """Return the matrix `T` with `H = (1 - p_y) (T D)' (T D)`, `(n, rows, gradients)`.

    The gradients are `D_k` of the classes seen and, if not all are, `M` after them.
    """
    n, count = weights.shape
    if all_seen:
        mean, own = weights, torch.eye(count, dtype=torch.float64)
    else:
        mean = torch.zeros(n, count + 1, dtype=torch.float64)
        mean[:, count] = 1
        own = torch.eye(count, count + 1, dtype=torch.float64)
    seen = weights.sqrt().unsqueeze(2) * (own - (rest * mean).unsqueeze(1))
    predicted = (rest * (1 - rest)).sqrt() * mean
    return torch.cat([seen, predicted.unsqueeze(1)], 1)


def _unseen(
    backward: Callable[[Tensor], Tensor],
    roots: Tensor,
    middle: Tensor,
    probes: int,
    streams: Sequence[np.random.Generator],
) -> Tensor:
    """Return the trace of the classes left out over `1 - p_y`, and its standard error, `(n, 2)`."""
    found = []
    for _ in range(probes):
        signed = roots * signs(streams, roots.shape[1:], roots)
        gap = precise(backward(signed)) - signed.sum(1, keepdim=True) * middle
        found.append(gap.square().sum(1))
    values = torch.stack(found)
    return torch.stack([values.mean(0), values.std(0) / math.sqrt(probes)], 1)


def _gram(rows: Tensor) -> Tensor:
    """Return the inner products of rows `(n, m, d)` in float64, some coordinates at a time."""
    total = torch.zeros(len(rows), rows.shape[1], rows.shape[1], dtype=torch.float64)
    for piece in rows.split(GRAM_PIECE, dim=2):
        exact = piece if piece.device.type == "mps" else piece.to(torch.float64)
        total += precise(exact @ exact.transpose(1, 2))
    return total


def _unit(vectors: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / length.clamp_min(torch.finfo(vectors.dtype).tiny)
