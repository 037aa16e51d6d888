"""The shortest step that brings the loss at a point to a level, orthogonally to a direction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from core.errors import InputError
from landscape.loss import InputFunction
from landscape.rows import Rows

LONGEST = 0.05
"""Longest step, in lengths of the chord: beyond it a linear model of the loss says little."""
CLOSE = 1e-3
"""An image's loss has reached a level where it equals it up to this share of it."""
_TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True)
class Push:
    """How points are moved to a level of the loss.

    The step is the solution of: minimise `|d|^2 + variation * |grad d|^2` subject to
    `f(l) + f'(l) g . d = f(level)` and `axis . d = 0`. The first term is the distance, the second
    the (quadratic) total variation over neighbouring pixels; `g` is the gradient of the loss and
    `f` the log-odds for a cross-entropy, which is nearly linear in the image where the loss bends,
    and the identity otherwise. With `M = 1 + variation * Laplacian`, `G = M^-1 g` and
    `U = M^-1 axis` it is a multiple of `G - (axis . G) / (axis . U) U`. Without an axis and a
    variation it is the step of DeepFool (Moosavi-Dezfooli et al. 2016). Pixels that the box stops
    are left out.

    Attributes:
        odds: linearise the log-odds; the loss must be a cross-entropy.
        variation: weight of the total-variation term, in squared pixels, at least 0; images must be
            `(r, c, h, w)` if it is not 0.
    """

    odds: bool
    variation: float = 0.0

    def __call__(
        self, points: Tensor, value: Tensor, gradient: Tensor, level: Tensor, axis: Tensor,
        longest: Tensor,
    ) -> Tensor:  # fmt: skip
        """Return the points after one step, inside [0, 1].

        Args:
            points: `(r, ...)` in [0, 1].
            value: the loss there, `(r,)`.
            gradient: of the loss, as `points`.
            level: the loss to reach, `(r,)`; above 0 if `odds`.
            axis: the direction the step is orthogonal to, as `points`.
            longest: the step is cut to this l2 length, `(r,)`.
        """
        value, level = value.to(points.device), level.to(points.device)
        fall = (value - level).unsqueeze(1)
        if self.odds:
            fall = ((log_odds(value) - log_odds(level)) * -torch.expm1(-value)).unsqueeze(1)
        lower = gradient * torch.where(fall < 0, -1, 1).reshape(-1, *[1] * (points.ndim - 1))
        open_ = ~(((points <= 0) & (lower > 0)) | ((points >= 1) & (lower < 0)))
        slope, chord = gradient.flatten(1).double(), axis.flatten(1).double()
        down, across = self._inverse(gradient, open_), self._inverse(axis, open_)
        share = _dot(chord, down) / _dot(chord, across).clamp_min(_TINY)
        way = down - share * across
        step = fall / _dot(slope, way).clamp_min(_TINY) * way
        length = torch.linalg.vector_norm(step, dim=1, keepdim=True)
        step = step * (longest.to(step).unsqueeze(1) / length.clamp_min(_TINY)).clamp_max(1)
        return (points.double() - step.reshape(points.shape)).clamp(0, 1).to(points)

    def _inverse(self, images: Tensor, open_: Tensor) -> Tensor:
        """Return `M^-1` times the images on the open pixels, `(r, d)` in float64."""
        rows = (images * open_).double()
        if self.variation:
            rows = smoothed(rows, self.variation) * open_
        return rows.flatten(1)


def push_of(loss: object, variation: float = 0.0) -> Push:
    """Return the push that suits a loss: through the log-odds for a `Loss` of cross-entropy.

    Raises:
        InputError: the variation is negative or not finite.
    """
    if not 0 <= variation < math.inf:
        raise InputError(f"variation: expected a finite number >= 0, found {variation}.")
    return Push(getattr(loss, "kind", None) == "cross_entropy", variation)


def pushed_to(
    loss: InputFunction, images: Tensor, level: Tensor, *, steps: int = 30, batch_size: int = 256
) -> Tensor:
    """Return images after shortest steps, up or down, that bring their losses to a level.

    Args:
        loss: see `landscape.loss`.
        images: `(n, ...)` in [0, 1].
        level: `(n,)`; an image is left alone once its loss is there up to a share of 1e-3.
        steps: at most this many gradients per image.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Cost: at most `steps` gradients per image.
    """
    points = images.detach().clone()
    rows, push = Rows(loss, len(points), batch_size), push_of(loss)
    moving = torch.arange(len(points))
    for _ in range(steps):
        value, gradient = rows.gradients(points[moving], moving)
        far = (value - level[moving]).abs() > CLOSE * level[moving].abs()
        moving, value, gradient = moving[far], value[far], gradient[far]
        if not len(moving):
            break
        freely = torch.full((len(moving),), torch.inf, dtype=torch.float64)
        points[moving] = push(
            points[moving], value, gradient, level[moving], torch.zeros_like(gradient), freely
        )
    return points


def log_odds(loss: Tensor) -> Tensor:
    """Return `log(exp(l) - 1)`: minus the log-odds of the label whose cross-entropy is `l`.

    >>> bool(log_odds(torch.tensor(2.0).log()).abs() < 1e-6)
    True
    """
    return loss + torch.log(-torch.expm1(-loss))


def smoothed(images: Tensor, variation: float) -> Tensor:
    """Return `(1 + variation * L)^-1 images`, `L` the Laplacian of the grid of pixels.

    The borders reflect, so that the cosine transform (DCT-II) diagonalises `L`.

    Args:
        images: `(r, c, h, w)`, floating point.
        variation: at least 0.
    """
    if images.ndim != 4:
        raise InputError(f"variation: expected images (n, c, h, w), found {tuple(images.shape)}.")
    rows, columns = (_cosines(size).to(images) for size in images.shape[-2:])
    height, width = (_frequencies(size).to(images) for size in images.shape[-2:])
    waves = rows @ images @ columns.T
    waves = waves / (1 + variation * (height.unsqueeze(1) + width))
    return rows.T @ waves @ columns


@lru_cache(maxsize=16)
def _cosines(size: int) -> Tensor:
    """Return the orthonormal DCT-II, `(size, size)`."""
    k = torch.arange(size, dtype=torch.float64).unsqueeze(1)
    x = torch.arange(size, dtype=torch.float64)
    waves = torch.cos(math.pi * k * (x + 0.5) / size) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves


def _frequencies(size: int) -> Tensor:
    """Return the eigenvalues of the Laplacian of a row of pixels, `(size,)`."""
    return 2 - 2 * torch.cos(math.pi * torch.arange(size, dtype=torch.float64) / size)


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(1, keepdim=True)
