"""Points that no gradient of the classifier led to: random ones, and those made on others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attacks.masking.outputs import logits_of
from attacks.noise import random_steps
from attacks.objectives import lead, rounding
from core import randomness


def random_search(
    classifier: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    norm: str,
    eps: float,
    draws: int,
    seed: int,
    ids: Sequence[str],
    batch_size: int,
) -> Tensor:
    """Return which images one of so many random points of the ball fools, `(n,)`.

    Every other point lies as far out as the box allows, a corner of the linf ball; the rest are
    shorter steps of the same kind, of a length uniform in `(0, eps)`. A forward pass per image and
    draw, none once it is fooled.
    """
    won = torch.zeros(len(images), dtype=torch.bool)
    for draw in range(draws):
        if bool(won.all()):
            break
        for rows in (~won).nonzero().squeeze(1).split(batch_size):
            streams = randomness.generators(
                seed, [ids[i] for i in rows.tolist()], f"random search {draw}"
            )
            own = images[rows.to(images.device)]
            radii = torch.full_like(own.flatten(1)[:, 0], eps)
            if draw % 2:
                radii = radii * randomness.uniform(streams, (), own)
            points = (own + random_steps(own, radii, norm, streams)).clamp(0, 1)
            won[rows] = fooled_at(classifier, points, labels[rows.to(labels.device)], batch_size)
    return won


def fooled_at(classifier: nn.Module, points: Tensor, labels: Tensor, batch_size: int) -> Tensor:
    """Return which points are classified otherwise, beyond what rounding can undo, `(n,)`."""
    found = []
    for pixels, own in zip(points.split(batch_size), labels.split(batch_size), strict=True):
        with torch.no_grad():
            logits = logits_of(classifier, pixels)
        found.append((lead(logits, own.to(logits.device), False) > rounding(logits)).cpu())
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.bool)
