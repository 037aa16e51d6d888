"""The Square Attack: random search by squares, from the logits alone.

Andriushchenko et al. 2020, "Square attack: a query-efficient black-box adversarial attack via
random search", with the margin as its loss. In linf a random square is moved by twice the radius in
a random direction per channel; in l2 the mass of one square moves to another, in the shape of two
opposite bumps. A proposal is kept if it comes closer to winning. The squares' area falls in steps
as the search goes on.

Every example has squares of its own, drawn from its own stream (the authors' code shares one square
per step among all examples of a batch). A square may lie at either border (theirs never touches the
last row and column). Where the image is not square, a window is cut to its sides; of an input
without rows and columns it is a run of components, as long a share of it as the square would be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from attacks.active import Evaluation, Outcome, State, Streams, fresh
from attacks.norms import lengths, per_example
from attacks.recipes import Recipe
from attacks.task import Task
from core import randomness

BLOCK = 64
"""Proposals whose random numbers are drawn at once."""
SHRINKS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""The squares' area is halved after the proposal of this number, counted from 0."""
SCHEDULED = 10_000
TILES = 5
TINY = 1e-12


def make(task: Task) -> Outcome:
    """Make the examples of a `square` recipe."""
    return task.run(Square(task.recipe))


@dataclass
class Search(State):
    """The Square Attack's state.

    Attributes:
        step: `(b,)` proposals made so far; 0 at the first point.
        draws: `(b, BLOCK, m)` uniform numbers of the coming proposals.
    """

    step: Tensor
    draws: Tensor


class Square:
    """The Square Attack with an active set.

    Cost per example that is never fooled: `queries + 2` forward passes, the clean one and the first
    point among them, and no backward pass.
    """

    from_image = False

    def __init__(self, recipe: Recipe) -> None:
        self.norm: str = recipe["norm"]
        self.eps: float = recipe["eps"]
        self.queries: int = recipe["queries"]
        self.p_init: float = recipe["p_init"]
        self.rescheduled: bool = recipe["rescheduled"]
        self.targeted: bool = recipe["targeted"]
        self._streams: Streams

    def begin(self, rows: Tensor, images: Tensor, references: Tensor, streams: Streams) -> Search:
        """Start with stripes in linf, with a tiling by bumps in l2."""
        self._streams = streams
        channels = as_pictures(images).shape[1]
        numbers = channels + (2 if self.norm == "linf" else 5)
        state = Search(
            **fresh(rows, images, references),
            step=torch.zeros_like(rows),
            draws=images.new_zeros((len(rows), BLOCK, numbers)),
        )
        state.last = torch.ones_like(state.last)
        state.points = self.first(rows, images)
        return state

    def climbed(self, state: State, logits: Tensor) -> Tensor:
        """Nothing is climbed: there is no gradient."""
        return torch.zeros_like(logits[:, 0])

    def advance(self, state: State, found: Evaluation) -> None:
        """Keep the point if it came closer to winning, and propose the next."""
        assert isinstance(state, Search)
        state.keep(found.won | (found.leads > state.best_score), found.leads, found)
        state.done = found.won | (state.step == self.queries)
        self.refill(state)
        state.points = self.proposed(state)
        state.step = state.step + 1

    def refill(self, state: Search) -> None:
        """Draw the numbers of the coming block of proposals."""
        due = state.step % BLOCK == 0
        if not bool(due.any()):
            return
        draws = state.draws.clone()
        for step in state.step[due].unique().tolist():
            which = due & (state.step == step)
            streams = self._streams(state.rows[which], f"square proposals {step}")
            draws[which] = randomness.uniform(streams, draws.shape[1:], draws)
        state.draws = draws

    def side(self, step: int, shape: torch.Size) -> tuple[int, int]:
        """Height and width of a window at this step, in a `(c, h, w)` picture."""
        height, width = shape[-2:]
        at = step * SCHEDULED // self.queries if self.rescheduled else step
        share = self.p_init / 2 ** sum(at > passed for passed in SHRINKS)
        if height == 1:
            return 1, min(max(round(share * width), 1), width)
        side = max(round(math.sqrt(share * height * width)), 1)
        if self.norm == "l2":
            # Two bumps need room, and a middle.
            side = max(side, 3) | 1
        return min(side, height), min(side, width)

    def first(self, rows: Tensor, images: Tensor) -> Tensor:
        """The first points: vertical stripes at the ball's corners, or a tiling on its sphere."""
        pictures = as_pictures(images)
        channels, height, width = pictures.shape[1:]
        streams = self._streams(rows, "square start")
        if self.norm == "linf":
            signs = randomness.signs(streams, (channels, 1, width), pictures)
            return self.bounded((pictures + self.eps * signs).reshape(images.shape), images)
        tall, wide = (max(extent // TILES, 1) for extent in (height, width))
        down, across = height // tall, width // wide
        signs = randomness.signs(streams, (channels, down, across), pictures)
        turns = randomness.uniform(streams, (1, down, across), pictures) > 0.5
        tiled = torch.zeros_like(pictures)
        top, left = (height - down * tall) // 2, (width - across * wide) // 2
        turnable = tall == wide
        for i in range(down):
            for j in range(across):
                bump = bumps(tall, wide).to(pictures)
                if turnable:
                    turned = turns[:, :, i, j, None, None]
                    bump = torch.where(turned, bump.mT, bump)
                rows_of = slice(top + i * tall, top + (i + 1) * tall)
                columns_of = slice(left + j * wide, left + (j + 1) * wide)
                tiled[:, :, rows_of, columns_of] = bump * signs[:, :, i, j, None, None]
        return self.on_sphere(tiled.reshape(images.shape), images)

    def proposed(self, state: Search) -> Tensor:
        """The next points, each with a window of its own."""
        numbers = state.draws[torch.arange(len(state.rows)), state.step % BLOCK]
        points = torch.empty_like(state.images)
        shape = as_pictures(state.images).shape[1:]
        change = self.moved if self.norm == "l2" else self.shifted
        sides: dict[tuple[int, int], list[int]] = {}
        for step in state.step.unique().tolist():
            sides.setdefault(self.side(step, shape), []).append(step)
        for side, steps in sides.items():
            which = torch.isin(state.step, torch.tensor(steps).to(state.step))
            points[which] = change(state.images[which], state.best[which], numbers[which], side)
        return points

    def shifted(
        self, images: Tensor, best: Tensor, numbers: Tensor, side: tuple[int, int]
    ) -> Tensor:
        """Move a window of every channel to one end of the ball or the other."""
        pictures = as_pictures(images)
        inside = window(pictures, numbers[:, 0], numbers[:, 1], side)
        signs = torch.where(numbers[:, 2:, None, None] < 0.5, -1, 1)
        shift = torch.where(inside, 2 * self.eps * signs, 0)
        return self.bounded(best + shift.reshape(images.shape).to(best), images)

    def moved(self, images: Tensor, best: Tensor, numbers: Tensor, side: tuple[int, int]) -> Tensor:
        """Give one window the mass of both, and what of the radius is unused, in a new shape."""
        pictures = as_pictures(images)
        steps = as_pictures(best) - pictures
        channels = steps.shape[1]
        here = window(pictures, numbers[:, 0], numbers[:, 1], side)
        there = window(pictures, numbers[:, 2], numbers[:, 3], side)
        signs = torch.where(numbers[:, 5:, None, None] < 0.5, -1, 1).to(steps)
        bump = bumps(*side).to(steps)
        shape = bump.expand(len(steps), 1, *side)
        if side[0] == side[1]:
            shape = torch.where(numbers[:, 4, None, None, None] > 0.5, shape.mT, shape)

        def mass(of: Tensor) -> Tensor:
            return torch.linalg.vector_norm(of, dim=(-2, -1), keepdim=True)

        count = (len(steps), channels, *side)
        everywhere = here.expand_as(steps)
        old = steps[everywhere].reshape(count)
        fresh_shape = signs * shape + old / mass(old).clamp_min(TINY)
        unused = (self.eps**2 - lengths(steps, "l2").square()).clamp_min(0) / channels
        both = mass(torch.where(here | there, steps, 0)).square()
        size = (both + per_example(unused, steps)).sqrt()
        placed = size * fresh_shape / mass(fresh_shape).clamp_min(TINY)
        changed = torch.where(there, 0, steps)
        changed[everywhere] = placed.reshape(-1)
        return self.on_sphere(changed.reshape(images.shape), images)

    def bounded(self, points: Tensor, images: Tensor) -> Tensor:
        """Bring points into the linf ball and the box."""
        low, high = (images - self.eps).clamp_min(0), (images + self.eps).clamp_max(1)
        return torch.clamp(points, low, high)

    def on_sphere(self, steps: Tensor, images: Tensor) -> Tensor:
        """Give steps the l2 length of the radius; clip what leaves the box."""
        long = per_example(lengths(steps, "l2").clamp_min(TINY), steps)
        return (images + self.eps * (steps / long)).clamp(0, 1)


def as_pictures(images: Tensor) -> Tensor:
    """View inputs as `(n, c, h, w)`: those with other axes as one row, `(n, 1, 1, d)`."""
    return images if images.ndim == 4 else images.reshape(len(images), 1, 1, -1)


def window(pictures: Tensor, down: Tensor, across: Tensor, side: tuple[int, int]) -> Tensor:
    """A window of this size in each picture, `(n, 1, h, w)`; shares in [0, 1) say where."""
    inside = []
    for share, length, extent in zip((down, across), side, pictures.shape[-2:], strict=True):
        free = extent - length + 1
        begin = (share * free).long().clamp_max(free - 1).unsqueeze(1)
        place = torch.arange(extent, device=pictures.device)
        inside.append((place >= begin) & (place < begin + length))
    return (inside[0][:, :, None] & inside[1][:, None, :]).unsqueeze(1)


@lru_cache(maxsize=64)
def bumps(height: int, width: int) -> Tensor:
    """Two opposite bumps side by side, of l2 length 1, `(h, w)`; the paper's eta.

    They lie one below the other; in a single row, one beside the other.
    """
    if height == 1 and width > 1:
        return bumps(width, 1).mT.contiguous()
    half = height // 2
    both = torch.cat([bump(half, width), -bump(height - half, width)])
    return both / both.square().sum().sqrt()


def bump(height: int, width: int) -> Tensor:
    """A pyramid of nested rectangles, each adding `1 / (1 + its number)^2`, of l2 length 1."""
    made = torch.zeros((height, width), dtype=torch.float64)
    if made.numel() == 0:
        return made
    middle_row, middle_column = height // 2, width // 2
    for ring in range(max(middle_row, middle_column) + 1):
        rows = slice(max(middle_row - ring, 0), middle_row + ring + 1)
        columns = slice(max(middle_column - ring, 0), middle_column + ring + 1)
        made[rows, columns] += 1 / (ring + 1) ** 2
    return made / made.square().sum().sqrt()
