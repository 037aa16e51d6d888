"""Mean change of a function of the image under symmetric noise, by antithetic pairs `(e, -e)`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError, unknown_name
from core.randomness import generators, normal
from landscape.loss import InputFunction, blocks, evaluate, example_ids, radii_of

KINDS = ("gaussian", "sphere")


@dataclass(frozen=True)
class Moments:
    """Moments of `k` functions of the image under noise of `r` lengths.

    Attributes:
        centre: values at the example itself, `(n, k)`.
        mean: mean change `E[f(x + e)] - f(x)`, `(n, r, k)`.
        standard_error: standard error of `mean`, `(n, r, k)`, on `pairs - 1` degrees of freedom.
        first: mean change over the first draw of each pair alone, `(n, r, k)`. Those draws are
            independent of one another, which the two of a pair are not.
        pairs: antithetic pairs drawn per example.
    """

    centre: Tensor
    mean: Tensor
    standard_error: Tensor
    first: Tensor
    pairs: int


def antithetic_moments(
    function: InputFunction,
    images: Tensor,
    radii: Sequence[float],
    *,
    kind: str = "gaussian",
    draws: int = 64,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
    box: tuple[float, float] | None = None,
) -> Moments:
    """Estimate the mean change of `k` functions under noise of given lengths, in one pass.

    The value of a pair is the mean of its two draws; pairs are independent, so the standard error
    is that of their mean. All radii share their directions. Sums are streamed in float64, relative
    to the value at the centre, so that nothing cancels and memory does not grow with `draws`.

    Args:
        function: a loss as `landscape.loss` has it, with one value, `(rows,)`, or `k` values,
            `(rows, k)`, per row.
        images: `(n, ...)`, any trailing shape.
        radii: l2 lengths in input units.
        kind: `gaussian` (`sigma = r / sqrt(d)` per coordinate) or `sphere` (`|e|_2 = r`).
        draws: noise draws per example and radius; even, at least 4.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.
        box: clamp noisy images to this interval.

    Returns:
        Float64 tensors on the CPU.

    Raises:
        InputError: bad radii, kind, draws or ids; a value that is not finite.

    Cost: `draws * len(radii) + 1` forward passes per example.
    """
    if kind not in KINDS:
        raise unknown_name("--noise", kind, KINDS)
    if draws < 4 or draws % 2:
        raise InputError(f"--draws: expected an even number of at least 4, found {draws}.")
    lengths, names = radii_of(radii), example_ids(ids, len(images))
    found = [
        _block(part, x, lengths, kind, draws // 2, generators(seed, names[rows], "noise"),
               batch_size, box)
        for rows, part, x in blocks(function, images, batch_size)
    ]  # fmt: skip
    centre, mean, error, first = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Moments(centre, mean, error, first, draws // 2)


def _block(
    function: InputFunction,
    images: Tensor,
    radii: Sequence[float],
    kind: str,
    pairs: int,
    streams: Sequence[np.random.Generator],
    batch_size: int,
    box: tuple[float, float] | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return centre, mean, standard error and mean of the first halves for one block."""
    centre = _columns(evaluate(function, images.unsqueeze(0), batch_size))[0]
    shape = (len(images), len(radii), centre.shape[1])
    mean, squares, first = (torch.zeros(shape, dtype=torch.float64) for _ in range(3))
    at_once = max(1, batch_size // (2 * len(images)))
    for done in range(0, pairs, at_once):
        new = min(at_once, pairs - done)
        unit = _directions(streams, new, images, kind)
        for column, radius in enumerate(radii):
            points = torch.cat([images + radius * unit, images - radius * unit])
            if box is not None:
                points = points.clamp(*box)
            change = _columns(evaluate(function, points, batch_size)) - centre
            first[:, column] += change[:new].sum(0) / pairs
            _add(mean[:, column], squares[:, column], (change[:new] + change[new:]) / 2, done)
    return centre, mean, (squares / (pairs - 1) / pairs).sqrt(), first


def _directions(
    streams: Sequence[np.random.Generator], pairs: int, images: Tensor, kind: str
) -> Tensor:
    """Draw noise of length 1, `(pairs, n, ...)`: exactly, or in the root mean square."""
    noise = normal(streams, (pairs, images[0].numel()), images)
    if kind == "sphere":
        noise = noise / torch.linalg.vector_norm(noise, dim=-1, keepdim=True)
    else:
        noise = noise / math.sqrt(noise.shape[-1])
    return noise.transpose(0, 1).reshape(pairs, *images.shape)


def _add(mean: Tensor, squares: Tensor, new: Tensor, count: int) -> None:
    """Merge new values `(b, ...)` into the mean and squared deviations of `count`, in place.

    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance.
    """
    size, middle = len(new), new.mean(0)
    gap = middle - mean
    squares += (new - middle).square().sum(0) + gap.square() * (count * size / (count + size))
    mean += gap * (size / (count + size))


def _columns(values: Tensor) -> Tensor:
    """Give values `(b, n)` a last dimension of one function."""
    return values.unsqueeze(-1) if values.ndim == 2 else values
