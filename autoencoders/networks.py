"""Encoders and decoders built from a layer's shape: convolutions for maps, layers for vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from core.errors import InputError

SMALLEST = 4
"""Side of the smallest map: below it convolutions have nothing left to share."""


class Residual(nn.Module):
    """A residual block of two 3 x 3 convolutions, normalised in groups of channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _norm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            _norm(width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape."""
        return maps + self.body(maps)


class MapEncoder(nn.Module):
    """Maps `(n, c, h, w)` to maps `(n, width, s, t)` of a smaller side, halved step by step."""

    def __init__(self, shape: Sequence[int], width: int, depth: int, smallest: int) -> None:
        super().__init__()
        self.sides = halvings(shape[1:], smallest)
        blocks: list[nn.Module] = [nn.Conv2d(shape[0], width, 3, padding=1)]
        for step in range(len(self.sides)):
            if step:
                blocks.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
            blocks += [Residual(width) for _ in range(depth)]
        self.body = nn.Sequential(*blocks, _norm(width), nn.SiLU())

    def forward(self, maps: Tensor) -> Tensor:
        """Return the smallest maps."""
        return self.body(maps)


class MapDecoder(nn.Module):
    """The way back: maps `(n, width, s, t)` to `(n, c, h, w)`."""

    def __init__(self, shape: Sequence[int], width: int, depth: int, smallest: int) -> None:
        super().__init__()
        self.sides = halvings(shape[1:], smallest)[::-1]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(Residual(width) for _ in range(depth)), nn.Conv2d(width, width, 3, padding=1)
            )
            for _ in self.sides
        )
        self.head = nn.Sequential(_norm(width), nn.SiLU(), nn.Conv2d(width, shape[0], 3, padding=1))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the layer's shape."""
        for side, stage in zip(self.sides, self.stages, strict=True):
            if tuple(maps.shape[2:]) != side:
                maps = functional.interpolate(maps, size=side, mode="nearest")
            maps = stage(maps)
        return self.head(maps)


class Flat(nn.Module):
    """From maps to vectors: `(n, width, s, t)` to `(n, size)`."""

    def __init__(self, width: int, side: tuple[int, int], size: int) -> None:
        super().__init__()
        self.body = nn.Linear(width * side[0] * side[1], size)

    def forward(self, maps: Tensor) -> Tensor:
        """Return vectors."""
        return self.body(maps.flatten(1))


class Unflat(nn.Module):
    """From vectors to maps: `(n, size)` to `(n, width, s, t)`."""

    def __init__(self, size: int, width: int, side: tuple[int, int]) -> None:
        super().__init__()
        self.shape = (width, *side)
        self.body = nn.Linear(size, width * side[0] * side[1])

    def forward(self, vectors: Tensor) -> Tensor:
        """Return maps."""
        return self.body(vectors).reshape(-1, *self.shape)


def vector_network(sizes: Sequence[int]) -> nn.Sequential:
    """Return linear layers of these sizes with normalisation and SiLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes[:-1]):
        layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def encoder_and_decoder(
    shape: Sequence[int], latent_in: int, latent_out: int, width: int, depth: int
) -> tuple[nn.Module, nn.Module]:
    """Return networks from representations to vectors and back.

    Args:
        shape: of a representation, `(c, h, w)` or `(d,)`.
        latent_in: what the encoder gives for an example.
        latent_out: what the decoder takes.
        width: see `Design`.
        depth: see `Design`.
    """
    if len(shape) == 1:
        hidden = [width] * depth
        return (
            vector_network([shape[0], *hidden, latent_in]),
            vector_network([latent_out, *hidden[::-1], shape[0]]),
        )
    checked_map(shape)
    side = halvings(shape[1:], SMALLEST)[-1]
    return (
        nn.Sequential(MapEncoder(shape, width, depth, SMALLEST), Flat(width, side, latent_in)),
        nn.Sequential(Unflat(latent_out, width, side), MapDecoder(shape, width, depth, SMALLEST)),
    )


def map_encoder_and_decoder(
    shape: Sequence[int], latent: int, width: int, depth: int, positions: int | None
) -> tuple[nn.Module, nn.Module]:
    """Return networks from representations to maps of codes `(n, latent, s, t)` and back.

    Vectors are taken as a map of one position.
    """
    if len(shape) == 1:
        hidden = [width] * depth
        return (
            nn.Sequential(vector_network([shape[0], *hidden, latent]), nn.Unflatten(1, (-1, 1, 1))),
            nn.Sequential(nn.Flatten(), vector_network([latent, *hidden[::-1], shape[0]])),
        )
    checked_map(shape)
    smallest = min(8, *shape[1:]) if positions is None else positions
    if smallest > min(shape[1:]):
        raise InputError(
            f"--positions: expected at most the {min(shape[1:])} of the layer, found {smallest}."
        )
    return (
        nn.Sequential(MapEncoder(shape, width, depth, smallest), nn.Conv2d(width, latent, 1)),
        nn.Sequential(nn.Conv2d(latent, width, 1), MapDecoder(shape, width, depth, smallest)),
    )


def halvings(side: Sequence[int], smallest: int) -> list[tuple[int, int]]:
    """Return the sides of maps that are halved until the next would be below the smallest.

    >>> halvings((64, 64), 8), halvings((7, 7), 4)
    ([(64, 64), (32, 32), (16, 16), (8, 8)], [(7, 7), (4, 4)])
    """
    found = [(int(side[0]), int(side[1]))]
    while True:
        after = ((found[-1][0] + 1) // 2, (found[-1][1] + 1) // 2)
        if min(after) < smallest or after == found[-1]:
            return found
        found.append(after)


def checked_map(shape: Sequence[int]) -> None:
    """Raise an `InputError` unless the shape is that of maps."""
    if len(shape) != 3:
        raise InputError(
            f"--layers: expected maps (c, h, w) or vectors (d,), found shape {tuple(shape)}."
        )


def _norm(width: int) -> nn.Module:
    groups = max(g for g in (8, 4, 2, 1) if width % g == 0)
    return nn.GroupNorm(groups, width)
