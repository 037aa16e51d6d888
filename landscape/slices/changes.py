"""How far one can go in a direction before the label changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import InputError
from core.options import positive
from landscape.loss import Loss
from landscape.slices.evaluation import MARK, Seen, seen_at
from landscape.slices.lines import checked_directions

AT_ONCE = 4
"""Points of a ray that are evaluated before it is looked whether the label has changed."""
HALVINGS = 50
"""More do not bring a distance nearer to 0 than rounding allows."""


@dataclass(frozen=True)
class Change:
    """Where the reference label is first lost along a ray from each image.

    Attributes:
        distance: l2, in input units, `(n,)`, float64: there the label is another one, and slightly
            before it was not. The reach where it never changed: a lower bound then.
        changed: whether it did, `(n,)`.
        label: the class predicted there, `(n,)`; the reference label where it never changed.
        inside: whether that point is an image, all pixels in [0, 1], `(n,)`.
    """

    distance: Tensor
    changed: Tensor
    label: Tensor
    inside: Tensor


def ladder(low: float, high: float, points: int) -> Tensor:
    """Return distances in geometric progression, `(points,)`, float64.

    >>> ladder(1.0, 100.0, 3)
    tensor([  1.,  10., 100.], dtype=torch.float64)
    """
    if not 0 < low < high or points < 2:
        raise InputError(f"--reach: expected a ladder of distances, found {low:g} to {high:g}.")
    share = torch.arange(points, dtype=torch.float64) / (points - 1)
    found = low * (high / low) ** share
    found[-1] = high
    return found


def first_change(
    loss: Loss,
    images: Tensor,
    directions: Tensor,
    reach: float,
    *,
    start: float | None = None,
    points: int = 32,
    tolerance: float = 1e-3,
    box: str = MARK,
    batch_size: int = 256,
) -> Change:
    """Find the first point of each ray where the reference label is not predicted any more.

    The ray is climbed on a ladder of distances in geometric progression, the step in which the
    label is lost is halved until it is short, and its far end is returned. A region of another
    label that lies between two rungs is stepped over: distances are, if anything, too large.

    Args:
        loss: of a classifier; its labels are the reference.
        images: `(n, ...)`.
        directions: `(n, ...)`, of length 1; one of length 0 leads nowhere and changes nothing.
        reach: how far to look, l2 in input units.
        start: the first rung; by default a thousandth of the reach.
        points: rungs.
        tolerance: how well a distance is known, as a share of it.
        box: what to do beyond [0, 1]: `mark` or `clip`, see `seen_at`; distances are those before
            clipping.
        batch_size: rows per forward pass; it changes the numbers by float rounding only.

    Raises:
        InputError: a reach that is not above 0, directions of another shape or length, or logits
            that are not finite.

    Cost: at most `points + 1` forward passes per example, a ray being left when its label has
    changed, and then one for each halving, about 8 (more where the boundary is very near).

    >>> halves = Loss(torch.nn.Flatten(), torch.tensor([0]))
    >>> found = first_change(halves, torch.tensor([[0.9, 0.5]]), torch.tensor([[0.0, 1.0]]), 10.0)
    >>> found.distance.round(decimals=2).item(), found.label.item(), found.inside.item()
    (0.4, 1, True)
    """
    positive(reach, "--reach")
    length = checked_directions(images, directions)
    rungs = ladder(reach / 1000 if start is None else start, reach, points)
    rungs = torch.cat([rungs.new_zeros(1), rungs])
    n = len(images)
    low, high = torch.zeros(n, dtype=torch.float64), torch.full((n,), reach, dtype=torch.float64)
    label, inside = loss.labels.cpu().clone(), torch.ones(n, dtype=torch.bool)
    changed = torch.zeros(n, dtype=torch.bool)

    def look(some: Tensor, distances: Tensor) -> Seen:
        on = some.to(images.device)
        return seen_at(
            loss.select(some.to(loss.labels.device)), images[on], directions[on].unsqueeze(1),
            distances.unsqueeze(2), box=box, batch_size=batch_size,
        )  # fmt: skip

    climbing = (length > 0).nonzero().squeeze(1)
    for piece in rungs.split(AT_ONCE):
        if not len(climbing):
            break
        seen = look(climbing, piece.expand(len(climbing), -1))
        lost = ~seen.kept
        first = lost.to(torch.uint8).argmax(1, keepdim=True)
        some = lost.any(1)
        found = climbing[some]
        before = torch.cat([low[climbing].unsqueeze(1), piece.expand(len(climbing), -1)], 1)
        low[found] = before.gather(1, first).squeeze(1)[some]
        high[found] = piece[first.squeeze(1)[some]]
        label[found] = seen.prediction.gather(1, first).squeeze(1)[some]
        inside[found] = seen.inside.gather(1, first).squeeze(1)[some]
        changed[found] = True
        climbing = climbing[~some]
        low[climbing] = piece[-1]

    for _ in range(HALVINGS):
        between = (changed & (high - low > tolerance * high)).nonzero().squeeze(1)
        if not len(between):
            break
        middle = (low[between] + high[between]) / 2
        seen = look(between, middle.unsqueeze(1))
        kept = seen.kept.squeeze(1)
        low[between] = torch.where(kept, middle, low[between])
        lost_now = between[~kept]
        high[lost_now] = middle[~kept]
        label[lost_now] = seen.prediction.squeeze(1)[~kept]
        inside[lost_now] = seen.inside.squeeze(1)[~kept]
    return Change(high, changed, label, inside)
