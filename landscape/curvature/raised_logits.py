"""Logits above the predicted one's, and their derivatives along and across images.

With `y` the predicted class and `D_k` the gradient of `z_k - z_y`, the softmax's part of the
cross-entropy's input Hessian, `J' (diag p - p p') J`, is by the law of total variance

    H  =  (1 - p_y) [ sum_k q_k (D_k - M) (D_k - M)'  +  p_y M M' ],

    q_k = p_k / (1 - p_y) for k != y, 0 for y;    M = sum_k q_k D_k :

a sum of squares whose terms are of order 1 at any confidence, where `diag p - p p'` cancels to 0
once `1 - p_y` is below the float type's resolution. `q` and `log(1 - p_y)` come from log-sum-exps
in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from landscape.curvature.frozen_layers import frozen_layers
from landscape.loss import precise

Logits = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class RaisedLogits:
    """The logits of `n` images above that of the predicted class, linearised there.

    Attributes:
        log_rest: `log(1 - p_y)`, `(n,)`; float64 on the CPU.
        share: `q`, `(n, c)`; float64 on the CPU.
        pull: weights `(n, c)` -> gradient of the weighted sum of `z_k - z_y`, `(n, d)`.
        push: vectors `(n, d)` -> derivatives of `z_k - z_y` along them, `(n, c)` in float64 on the
            CPU; to be called only if it was asked for.
    """

    log_rest: Tensor
    share: Tensor
    pull: Callable[[Tensor], Tensor]
    push: Callable[[Tensor], Tensor]

    @property
    def rest(self) -> Tensor:
        """The probability of all classes but the predicted one, `(n, 1)`."""
        return self.log_rest.exp().unsqueeze(1)

    def variance(self, derivatives: Tensor) -> Tensor:
        """Return `v' H v` for the derivatives `(n, c)` of `z_k - z_y` along `v`, `(n,)`."""
        mean = (self.share * derivatives).sum(1, keepdim=True)
        spread = (self.share * (derivatives - mean).square()).sum(1, keepdim=True)
        return (self.rest * (spread + (1 - self.rest) * mean.square())).squeeze(1)


def raised_logits(logits: Logits, images: Tensor, *, forwards: bool = False) -> RaisedLogits:
    """Linearise the logits at images, above the predicted one's.

    Args:
        logits: images `(n, ...)` to logits `(n, c)`, differentiable once.
        images: `(n, ...)`, any trailing shape.
        forwards: whether `push` is wanted, too.

    Cost: one forward pass, whose graph is kept, and with `forwards` a differentiable backward pass;
    then one backward pass for each `pull`, and one of the backward pass itself for each `push`.
    """
    with torch.enable_grad(), frozen_layers():
        points = images.detach().requires_grad_()
        scores = logits(points)
        raised = scores - scores.gather(1, scores.detach().argmax(1, keepdim=True))
        if not raised.requires_grad:  # the logits do not depend on the image
            raised = raised + 0 * points.flatten(1).sum(1, keepdim=True)
        ones = torch.zeros_like(raised).requires_grad_()
        rows = _gradient(raised, points, ones, create_graph=True) if forwards else None

    def pull(weights: Tensor) -> Tensor:
        return _gradient(raised, points, weights.to(raised)).flatten(1)

    def push(vectors: Tensor) -> Tensor:
        assert rows is not None, "raised_logits(..., forwards=True) linearises forwards, too"
        return precise(_gradient(rows, ones, vectors.reshape(points.shape).to(points)))

    return RaisedLogits(*odds(precise(scores)), pull, push)


def odds(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return `log(1 - p_y)`, `(n,)`, and `q`, `(n, c)`, of logits `(n, c)` in float64."""
    predicted = scores.argmax(1, keepdim=True)
    others = scores.scatter(1, predicted, float("-inf"))
    log_rest = torch.logsumexp(others, 1) - torch.logsumexp(scores, 1)
    return log_rest, torch.softmax(others, 1)


def _gradient(of: Tensor, at: Tensor, weights: Tensor, *, create_graph: bool = False) -> Tensor:
    (found,) = torch.autograd.grad(
        of, at, weights, retain_graph=True, create_graph=create_graph, allow_unused=True,
        materialize_grads=True,
    )  # fmt: skip
    return found
