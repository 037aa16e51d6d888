"""Input transforms: the gradient is taken at a randomly changed copy of the point.

Each draws its parameters per example, from the example's own random numbers, and changes the whole
batch in one call. What is drawn does not depend on the values of the pixels, and every transform is
differentiable in them. The mean gradient over several copies is that of the expectation over the
transform (Athalye et al. 2018, "Synthesizing robust adversarial examples").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from core import randomness
from core.errors import InputError

Transform = Callable[[Tensor, Sequence[np.random.Generator]], Tensor]


def diverse(
    points: Tensor,
    streams: Sequence[np.random.Generator],
    scale: float = 0.1,
    probability: float = 0.5,
) -> Tensor:
    """Shrink images at random and pad them with zeros at random, each with a probability.

    An image of height `h` shrinks to a height drawn uniformly from `round((1 - scale) h)`, at most
    `h - 1`, up to `h`, its width by the same share, by bilinear interpolation; its place in the
    padding is uniform. Xie et al. 2019, "Improving transferability of adversarial examples with
    input diversity", with the size of the image kept, so that every classifier takes it.

    Args:
        points: `(n, c, h, w)`.
        streams: the random numbers of each image.
        scale: the most that is taken off a side, as a share of it.
        probability: of being changed at all.
    """
    _, _, high, wide = _sides(points, "diverse")
    least = max(1, min(round((1 - scale) * high), high - 1))
    frames = []
    for stream in streams:
        changed = stream.random() < probability
        size = int(stream.integers(least, high + 1))
        width = max(1, round(size * wide / high))
        top, left = (int(stream.integers(0, room + 1)) for room in (high - size, wide - width))
        frames.append((size, top, width, left) if changed else (high, 0, wide, 0))
    return framed(points, frames)


def shift(points: Tensor, streams: Sequence[np.random.Generator], scale: float = 0.1) -> Tensor:
    """Shift images by whole pixels along both sides, zeros coming in.

    Args:
        points: `(n, c, h, w)`.
        streams: the random numbers of each image.
        scale: the longest shift as a share of the side, at least one pixel; each shift up to there
            is as likely as any other.
    """
    _, _, high, wide = _sides(points, "shift")
    most = [max(1, round(scale * side)) for side in (high, wide)]
    frames = []
    for stream in streams:
        down, right = (int(stream.integers(-reach, reach + 1)) for reach in most)
        frames.append((high, down, wide, right))
    return framed(points, frames)


def noise(points: Tensor, streams: Sequence[np.random.Generator], scale: float = 0.05) -> Tensor:
    """Add Gaussian noise of a standard deviation in input units; nothing is clipped to the box.

    Args:
        points: `(n, ...)`.
        streams: the random numbers of each image.
        scale: the standard deviation.
    """
    return points + scale * randomness.normal(streams, points.shape[1:], points)


TRANSFORMS: dict[str, Callable[..., Tensor]] = {"diverse": diverse, "shift": shift, "noise": noise}


def transform(chosen: str | Transform | None, scale: float | None) -> Transform | None:
    """Return the transform of this name, with its scale; a function is taken as it is."""
    if chosen is None or callable(chosen):
        return chosen
    return partial(TRANSFORMS[chosen], scale=scale)


def _sides(points: Tensor, name: str) -> tuple[int, int, int, int]:
    if points.ndim != 4:
        raise InputError(
            f"transform: {name} needs images of shape (n, c, h, w), found {tuple(points.shape)}."
        )
    count, channels, high, wide = points.shape
    return count, channels, high, wide


def framed(points: Tensor, frames: Sequence[tuple[int, int, int, int]]) -> Tensor:
    """Resize each image and place it on zeros, `(n, c, h, w) -> (n, c, h, w)`.

    Bilinear interpolation acts along one side at a time: it is a product with a matrix per image
    and side, so that a batch with as many sizes and places as images is two products.

    Args:
        points: `(n, c, h, w)`.
        frames: for each image the height, the top row, the width and the left column of where it
            goes; what lies outside is cut off.

    >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> framed(image, [(2, 1, 2, 0)])[0, 0]
    tensor([[0., 0.],
            [1., 2.]])
    """
    heights, tops, widths, lefts = torch.tensor(frames).to(points.device).T
    down = _interpolation(heights, tops, points.shape[2]).to(points)
    across = _interpolation(widths, lefts, points.shape[3]).to(points)
    return torch.einsum("nih,nchw,njw->ncij", down, points, across)


def _interpolation(sizes: Tensor, starts: Tensor, side: int) -> Tensor:
    """The matrices `(n, side, side)` that resize a side of pixels and place it at the start."""
    pixels = torch.arange(side, device=sizes.device, dtype=torch.float64)
    place = pixels - starts.unsqueeze(1)
    # Centres of pixels fall onto centres, as in torch.nn.functional.interpolate.
    source = ((place + 0.5) * (side / sizes.unsqueeze(1)) - 0.5).clamp(0, side - 1)
    weights = (1 - (source.unsqueeze(2) - pixels).abs()).clamp_min(0)
    inside = (place >= 0) & (place < sizes.unsqueeze(1))
    return weights * inside.unsqueeze(2)
