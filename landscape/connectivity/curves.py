"""Polychains and Bezier curves whose inner points lower the mean loss along the path."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from attacks.norms import per_example
from core.errors import InputError
from landscape.connectivity.paths import Paths, bernstein
from landscape.connectivity.scan import scan
from landscape.connectivity.search import Search, grid
from landscape.loss import InputFunction

MOMENTUM = 0.5
_GOLDEN = (math.sqrt(5) - 1) / 2


def polychain(
    loss: InputFunction, first: Tensor, second: Tensor, *, bends: int = 3,
    threshold: float = 0.1, budget: int = 128, draws: int = 8, rate: float = 0.01,
    batch_size: int = 256,
) -> Paths:  # fmt: skip
    """Find polylines with `bends` inner nodes and a low mean loss.

    Garipov et al. (2018): minimise `E_t l(phi(t))`, `t` uniform on [0, 1], over the inner nodes of
    `phi`, which start evenly spaced on the chord. Each step takes `draws` places, one in each of as
    many equal parts of [0, 1], shifted by the golden ratio from step to step. The node gradients
    `sum_k w_i(t_k) grad l(phi(t_k))` go through a momentum of 1/2; a step over all inner nodes of a
    pair together has the l2 length `rate * |chord| * (1 + cos(pi s / S))`, and is cut to the box.

    Args:
        loss: see `landscape.loss`.
        first, second: the ends, `(n, ...)`, pixels in [0, 1].
        bends: inner nodes.
        threshold: a pair stops as soon as its path rises less than this above its larger end.
        budget: gradient evaluations per pair, of which `S = budget // draws` steps are made.
        draws: places per step.
        rate: length of a step, in lengths of the chord.
        batch_size: rows per pass; it changes the numbers by float rounding only.

    Raises:
        InputError: bad arguments; a loss that is not finite.

    Cost: at most `budget` gradients, and 7 to 63 forward passes a step, per pair.
    """
    search = Search.begin(loss, first, second, threshold, budget, batch_size)
    return _minimised(search, "polychain", "polyline", bends, draws, rate)


def bezier(
    loss: InputFunction, first: Tensor, second: Tensor, *, bends: int = 3,
    threshold: float = 0.1, budget: int = 128, draws: int = 8, rate: float = 0.01,
    batch_size: int = 256,
) -> Paths:  # fmt: skip
    """Find Bezier curves with `bends` inner control points and a low mean loss.

    As `polychain` in all else (Garipov et al. 2018), with the Bernstein polynomials as weights. A
    curve lies in the convex hull of its control points, so it stays inside [0, 1] as they do.
    """
    search = Search.begin(loss, first, second, threshold, budget, batch_size)
    return _minimised(search, "bezier", "bezier", bends, draws, rate)


def hats(at: Tensor, count: int) -> Tensor:
    """Return the weights of `count` evenly spaced nodes of a polyline at places `(k,)`.

    >>> hats(torch.tensor([0.25]), 3)
    tensor([[0.5000, 0.5000, 0.0000]], dtype=torch.float64)
    """
    nodes = torch.arange(count, dtype=torch.float64, device=at.device)
    return (1 - (at.to(torch.float64).unsqueeze(1) * (count - 1) - nodes).abs()).clamp_min(0)


def drawn(step: int, draws: int) -> Tensor:
    """Return the places of a step, `(draws,)`: one in each of `draws` equal parts of [0, 1]."""
    shift = (0.5 + step * _GOLDEN) % 1
    return (torch.arange(draws, dtype=torch.float64) + shift) / draws


def _minimised(search: Search, kind: str, curve: str, bends: int, draws: int, rate: float) -> Paths:
    """Minimise the mean loss over the inner nodes, pair by pair until its path is low enough."""
    if bends < 1 or draws < 1 or not rate > 0:
        found = f"{bends}, {draws} and {rate}"
        raise InputError(f"expected bends >= 1, draws >= 1 and rate > 0, found {found}.")
    basis = bernstein if curve == "bezier" else hats
    chord = search.chord
    share = torch.linspace(0, 1, bends + 2, dtype=torch.float64).to(chord)[1:-1]
    share = share.reshape(1, -1, *[1] * (chord.ndim - 1))
    inner = (search.first.unsqueeze(1) + share * chord.unsqueeze(1)).clamp(0, 1)
    nodes = torch.cat([search.first.unsqueeze(1), inner, search.second.unsqueeze(1)], 1)
    velocity = torch.zeros_like(inner)
    length = torch.linalg.vector_norm(chord.flatten(1), dim=1)
    active, looked = torch.arange(len(search)), basis(grid(), bends + 2).to(nodes)
    steps = search.budget // draws
    for step in range(steps + 1):
        heights = scan(search, partial(_mixed, looked, nodes[active]), active)
        active = active[search.too_high(heights, active).any(1)]
        if not len(active) or step == steps:
            break
        weights = basis(drawn(step, draws), bends + 2).to(nodes)
        points = torch.einsum("km,am...->ak...", weights, nodes[active]).clamp(0, 1)
        _, slopes = search.gradients_at(points.flatten(0, 1), active.repeat_interleave(draws))
        pulled = torch.einsum("km,ak...->am...", weights[:, 1:-1], slopes.reshape(points.shape))
        velocity[active] = MOMENTUM * velocity[active] + _unit(pulled)
        size = rate * (1 + math.cos(math.pi * step / steps)) * length[active]
        move = per_example(size, inner) * _unit(velocity[active])
        nodes[active, 1:-1] = (nodes[active, 1:-1] - move).clamp(0, 1)
    return Paths(nodes, kind, curve, search.gradients, search.forwards)


def _mixed(weights: Tensor, nodes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return weighted means of the nodes of paths, for some of the weights each."""
    return torch.einsum("rm,rm...->r...", weights[columns], nodes[rows]).clamp(0, 1)


def _unit(rows: Tensor) -> Tensor:
    """Return rows divided by their l2 norm; 0 where it is 0."""
    largest = rows.flatten(1).abs().amax(1)
    tiny = torch.finfo(rows.dtype).tiny
    scaled = rows / per_example(largest.clamp_min(tiny), rows)
    norm = torch.linalg.vector_norm(scaled.flatten(1), dim=1)
    return scaled / per_example(norm.clamp_min(tiny), rows)
