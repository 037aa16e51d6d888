"""Paths between pairs of images: their nodes, the points along them, how far they stray."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InputError, unknown_name

CURVES = ("polyline", "bezier")


@dataclass(frozen=True)
class Paths:
    """One path per pair of images, from the first image to the second.

    Attributes:
        nodes: `(n, m, ...)`; `nodes[:, 0]` and `nodes[:, -1]` are the two images. A path with fewer
            nodes than its neighbours repeats its last one.
        kind: the method that found the paths.
        curve: `polyline` (straight between consecutive nodes) or `bezier` (the nodes are control
            points, only the first and the last lie on the curve).
        gradients: gradient evaluations (one forward and one backward pass of one image) spent on
            each pair, `(n,)` integers.
        forwards: forward passes of one image spent on each pair besides, `(n,)` integers.

    Raises:
        InputError: fewer than two nodes, or an unknown curve.

    >>> path = straight_line(torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
    >>> path.points(torch.tensor([0.0, 0.25]))[:, 0, 0, 0]
    tensor([[0.0000, 0.0000],
            [0.2500, 0.2500]])
    """

    nodes: Tensor
    kind: str
    curve: str
    gradients: Tensor
    forwards: Tensor

    def __post_init__(self) -> None:
        if self.nodes.ndim < 3 or self.nodes.shape[1] < 2:
            found = tuple(self.nodes.shape)
            raise InputError(f"nodes: expected (n, m, ...) with m >= 2, found {found}.")
        if self.curve not in CURVES:
            raise unknown_name("curve", self.curve, CURVES)

    def __len__(self) -> int:
        return len(self.nodes)

    def select(self, pairs: slice | Tensor) -> Paths:
        """Return the paths of some of the pairs."""
        return Paths(
            self.nodes[pairs], self.kind, self.curve, self.gradients[pairs], self.forwards[pairs]
        )

    def points(self, at: Tensor) -> Tensor:
        """Return points of every path, `(k, n, ...)`, copy-major.

        Args:
            at: places `(k,)` in [0, 1]: the share of the path's length for a polyline, the curve's
                own parameter for a Bezier curve.
        """
        at = at.to(self.nodes.device)
        if self.curve == "bezier":
            weights = bernstein(at, self.nodes.shape[1]).to(self.nodes)
            points = torch.einsum("km,nm...->kn...", weights, self.nodes)
            # Rounding may leave the convex hull of the control points, and with it the box.
            return points.clamp(self.nodes.amin(1), self.nodes.amax(1))
        places = arc_length(self.nodes)
        return along(self.nodes, places, at.expand(len(self), -1)).transpose(0, 1)

    def strays(self, points: Tensor) -> Tensor:
        """Return the distance of points `(k, n, ...)` to the chord between the ends, `(k, n)`.

        l2, in input units; of the chord as a segment, not as an infinite line.
        """
        start = self.nodes[:, 0].flatten(1)
        chord = self.nodes[:, -1].flatten(1) - start
        step = points.flatten(2) - start
        squared = chord.square().sum(1).clamp_min(torch.finfo(chord.dtype).tiny)
        share = ((step * chord).sum(2) / squared).clamp(0, 1)
        return torch.linalg.vector_norm(step - share.unsqueeze(2) * chord, dim=2)

    def deviations(self) -> Tensor:
        """Return the largest l2 distance of the nodes to the chord over its length, `(n,)`.

        That is the deviation of a whole polyline, whose farthest point is a node, without a pass
        through the classifier; a Bezier curve deviates less. 0 for a chord of length 0.
        """
        length = self.chords()
        scale = torch.where(length > 0, 1 / length, 0)
        return self.strays(self.nodes.transpose(0, 1)).amax(0) * scale

    def chords(self) -> Tensor:
        """Return the l2 distance between the two ends, `(n,)`, in input units."""
        return torch.linalg.vector_norm((self.nodes[:, -1] - self.nodes[:, 0]).flatten(1), dim=1)


def straight_line(first: Tensor, second: Tensor) -> Paths:
    """Return the straight paths between images `(n, ...)` and `(n, ...)`.

    Raises:
        InputError: the shapes differ, or an image leaves [0, 1].

    Cost: none.
    """
    first, second = pair_of_ends(first, second)
    none = torch.zeros(len(first), dtype=torch.int64)
    return Paths(torch.stack([first, second], 1), "straight_line", "polyline", none, none)


def pair_of_ends(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two ends of the pairs, detached.

    Raises:
        InputError: the shapes differ, or an image leaves [0, 1].
    """
    if first.shape != second.shape or first.ndim < 2:
        found = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise InputError(f"pairs: expected two batches of images of one shape, found {found}.")
    for images in (first, second):
        if len(images) and not 0 <= images.min() <= images.max() <= 1:
            low, high = images.min().item(), images.max().item()
            raise InputError(f"pairs: expected pixels in [0, 1], found [{low:g}, {high:g}].")
    return first.detach(), second.detach()


def along(nodes: Tensor, places: Tensor, at: Tensor) -> Tensor:
    """Return points of polylines, `(n, k, ...)`.

    Args:
        nodes: `(n, m, ...)`.
        places: where each node lies, `(n, m)`, from 0 to 1, never falling.
        at: the places asked for, `(n, k)`, in [0, 1].
    """
    n, k = at.shape
    rows = torch.arange(n, device=at.device).repeat_interleave(k)
    return lying(nodes, places, rows, at.flatten()).reshape(n, k, *nodes.shape[2:])


def lying(nodes: Tensor, places: Tensor, rows: Tensor, at: Tensor) -> Tensor:
    """Return points of polylines, any number of each, `(r, ...)`.

    Args:
        nodes: `(n, m, ...)`.
        places: where each node lies, `(n, m)`, from 0 to 1, never falling.
        rows: which polyline each point is of, `(r,)`.
        at: where on it, `(r,)`, in [0, 1].
    """
    own, at = places[rows].contiguous(), at.to(places).unsqueeze(1).contiguous()
    after = torch.searchsorted(own, at, right=True).clamp(1, nodes.shape[1] - 1)
    low, high = own.gather(1, after - 1), own.gather(1, after)
    share = ((at - low) / (high - low).clamp_min(torch.finfo(places.dtype).tiny)).clamp(0, 1)
    share = share.to(nodes).reshape(-1, *[1] * (nodes.ndim - 2))
    # Both ends of the sum lie in the box, and so does every weighted mean of them; the clamp
    # removes what rounding adds.
    rows, after = rows.to(nodes.device), after.squeeze(1).to(nodes.device)
    start, end = nodes[rows, after - 1], nodes[rows, after]
    return torch.where(share < 1, start + share * (end - start), end).clamp(
        torch.minimum(start, end), torch.maximum(start, end)
    )


def arc_length(nodes: Tensor) -> Tensor:
    """Return each node's share of the length of its polyline, `(n, m)` in float64."""
    steps = torch.linalg.vector_norm(nodes.diff(dim=1).flatten(2), dim=2).to(torch.float64)
    total = steps.sum(1, keepdim=True)
    even = torch.full_like(steps, 1 / steps.shape[1])
    shares = torch.where(total > 0, steps / total.clamp_min(1e-300), even).cumsum(1)
    shares[:, -1] = 1
    return torch.cat([torch.zeros_like(total), shares.clamp_max(1)], 1)


def bernstein(at: Tensor, count: int) -> Tensor:
    """Return the Bernstein weights of `count` control points at places `(k,)`, `(k, count)`.

    >>> bernstein(torch.tensor([0.5]), 3)
    tensor([[0.2500, 0.5000, 0.2500]], dtype=torch.float64)
    """
    t = at.to(torch.float64).unsqueeze(1)
    rise = torch.arange(count, dtype=torch.float64, device=at.device)
    ways = torch.tensor([math.comb(count - 1, i) for i in range(count)], dtype=torch.float64)
    return ways.to(at.device) * t**rise * (1 - t) ** (count - 1 - rise)
