"""Points around latents at several noise levels, and ways between two of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from attacks.norms import per_example
from core.errors import InputError
from core.randomness import generators, normal

NEARLY = 1e-4
"""Sine of an angle below which the way on the sphere is taken to be straight."""


def around(
    latents: Tensor,
    scales: Sequence[float],
    *,
    draws: int = 1,
    seed: int = 0,
    ids: Sequence[str] | None = None,
) -> Tensor:
    """Return latents with Gaussian noise, `(n, scales, draws, ...)`.

    All scales of an example share their noise, so that a row of pictures shows one direction
    getting longer.

    Args:
        latents: `(n, ...)`.
        scales: standard deviations of each number; 0 is the latent itself.
        draws: directions per example.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.

    Raises:
        InputError: a scale below 0, or no draws.
    """
    if draws < 1 or not scales or min(scales) < 0:
        raise InputError(
            f"expected at least one draw and scales of at least 0, found {draws} and "
            f"{list(scales)}."
        )
    names = [str(i) for i in range(len(latents))] if ids is None else list(ids)
    noise = normal(generators(seed, names, "around"), (draws, *latents.shape[1:]), latents)
    sizes = torch.tensor(list(scales)).to(latents)
    sizes = sizes.reshape(1, -1, *[1] * (noise.ndim - 1))
    return latents[:, None, None] + sizes * noise[:, None]


def linear(first: Tensor, second: Tensor, shares: Sequence[float]) -> Tensor:
    """Return the points at these shares of the straight ways, `(n, k, ...)`.

    >>> linear(torch.zeros(1, 2), torch.ones(1, 2), [0.0, 0.25, 1.0])
    tensor([[[0.0000, 0.0000],
             [0.2500, 0.2500],
             [1.0000, 1.0000]]])
    """
    places = _places(shares, first)
    return first[:, None] + places * (second - first)[:, None]


def spherical(first: Tensor, second: Tensor, shares: Sequence[float]) -> Tensor:
    """Return the points at these shares of the ways that keep the length, `(n, k, ...)`.

    Straight ways between two draws of a Gaussian in many dimensions pass through points that are
    shorter than any draw. Spherical interpolation (Shoemake 1985; White 2016) turns the direction
    at constant speed; the length goes from that of the one end to that of the other. Where the ends
    point the same way, or opposite ways (there the turn has no plane), or one is 0, it is straight.

    >>> ends = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    >>> spherical(*ends, [0.5]).round(decimals=3)
    tensor([[[1.4140, 1.4140]]])
    """
    flat = [end.flatten(1) for end in (first, second)]
    lengths = [torch.linalg.vector_norm(end, dim=1) for end in flat]
    units = [
        end / length.clamp_min(torch.finfo(end.dtype).tiny).unsqueeze(1)
        for end, length in zip(flat, lengths, strict=True)
    ]
    angle = 2 * torch.atan2(
        torch.linalg.vector_norm(units[1] - units[0], dim=1),
        torch.linalg.vector_norm(units[1] + units[0], dim=1),
    )
    turning = (angle.sin() > NEARLY) & (lengths[0] > 0) & (lengths[1] > 0)
    safe = torch.where(turning, angle, torch.ones_like(angle))
    found = []
    for share in shares:
        before, after = ((1 - share) * safe).sin() / safe.sin(), (share * safe).sin() / safe.sin()
        direction = before.unsqueeze(1) * units[0] + after.unsqueeze(1) * units[1]
        length = (1 - share) * lengths[0] + share * lengths[1]
        turned = (length.unsqueeze(1) * direction).reshape(first.shape)
        straight = first + share * (second - first)
        found.append(torch.where(per_example(turning, first), turned, straight))
    return torch.stack(found, 1)


def _places(shares: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(list(shares)).to(like).reshape(1, -1, *[1] * (like.ndim - 1))
