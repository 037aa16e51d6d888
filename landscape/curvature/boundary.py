"""The decision boundary of two classes: the function that is 0 on it, and its nearest point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attacks import Recipe, craft, parse
from attacks.norms import per_example
from core.errors import InputError
from landscape.loss import example_ids, precise
from landscape.predictions import predictions

RECIPE = "minnorm(norm=l2)"
HALVINGS = 24


@dataclass(frozen=True)
class Lead:
    """The lead `F = z_a - z_b` of each example's own class over another, a function of images.

    It is a function as `landscape.loss` takes it: `b` copies of the batch, one value per row. The
    boundary between the two classes is where it is 0; on the own side it is positive.

    Args:
        classifier: images to logits `(rows, k)`; in eval mode.
        own: class `a` of each example, `(n,)`.
        other: class `b`, `(n,)`.
    """

    classifier: nn.Module
    own: Tensor
    other: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return the lead at each row, `(rows,)`."""
        logits: Tensor = self.classifier(images)
        copies = len(logits) // max(len(self.own), 1)
        a, b = (c.to(logits.device).repeat(copies).unsqueeze(1) for c in (self.own, self.other))
        return (logits.gather(1, a) - logits.gather(1, b)).squeeze(1)

    def select(self, examples: slice | Tensor) -> Lead:
        """Return the same function for some of the examples."""
        return Lead(self.classifier, self.own[examples], self.other[examples])


@dataclass(frozen=True)
class Boundary:
    """The nearest point of the decision boundary that was found for each image.

    Attributes:
        points: `(n, ...)` like the images; NaN where none was found.
        own: the class predicted at the image, `(n,)`.
        other: the class across the boundary, `(n,)`; the own one where none was found.
        distance: l2 distance from the image, in input units, `(n,)`, float64; NaN where none was
            found. An upper bound of the distance to the boundary within [0, 1].
    """

    points: Tensor
    own: Tensor
    other: Tensor
    distance: Tensor

    @property
    def found(self) -> Tensor:
        """Whether there is a point, `(n,)` booleans."""
        return self.distance.isfinite()


def nearest_boundary(
    classifier: nn.Module,
    images: Tensor,
    *,
    recipe: str | Recipe = RECIPE,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> Boundary:
    """Find the nearest point of the decision boundary around each image's prediction.

    An attack of least norm finds a point of another class; on the way there from the image,
    bisection finds where the prediction changes first, and a step of the secant method ends on the
    boundary of the two classes on either side.

    Args:
        classifier: images `(n, ...)` in [0, 1] to logits; frozen, in eval mode.
        images: `(n, ...)` in [0, 1]; for a row that is not finite nothing is found.
        recipe: an attack, such as `minnorm(norm=l2, steps=40)`.
        seed: of the attack.
        ids: names of the examples, by default their positions.
        batch_size: images at a time; it changes the numbers by float rounding only.

    Raises:
        InputError: a targeted recipe, bad images or ids.

    Cost: the attack, and 26 forward passes.

    >>> _ = torch.manual_seed(0)
    >>> net = nn.Linear(2, 2).requires_grad_(False)
    >>> _ = net.weight.copy_(torch.eye(2)), net.bias.zero_()
    >>> nearest_boundary(net, torch.tensor([[0.9, 0.3]])).points
    tensor([[0.6000, 0.6000]])
    """
    attack = parse(recipe)
    if attack.get("targeted"):
        raise InputError(f"--recipe: expected one without a target, found {attack}.")
    names = example_ids(ids, len(images))
    own = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    usable = images.flatten(1).isfinite().all(1)
    points, distance = images * torch.nan, torch.full((len(images),), torch.nan).double()
    other = own.clone()
    if usable.any():
        kept = [name for name, fine in zip(names, usable.tolist(), strict=True) if fine]
        x = images[usable]
        own[usable] = predictions(classifier, x, batch_size)
        made = craft(classifier, x, own[usable], attack, seed=seed, ids=kept, batch_size=batch_size)
        parts = [
            _crossing(classifier, a, b)
            for a, b in zip(x.split(batch_size), made.images.to(x).split(batch_size), strict=True)
        ]
        points[usable], other[usable] = (torch.cat(part) for part in zip(*parts, strict=True))
        distance[usable.cpu()] = torch.linalg.vector_norm(
            precise((points - images)[usable].flatten(1)), dim=1
        )
    return Boundary(points, own, other, distance)


def _crossing(classifier: nn.Module, near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the prediction first changes from `near` to `far`, and to which class."""
    step = far - near

    def at(share: Tensor) -> Tensor:
        return near + per_example(share.to(near), near) * step

    with torch.no_grad():
        start, end = classifier(near), classifier(far)
        own = start.argmax(1)
        crossed = end.argmax(1) != own
        low = torch.zeros(len(near), dtype=torch.float64)  # some devices have no float64
        high = torch.ones_like(low)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            logits = classifier(at(middle))
            same = logits.argmax(1) == own
            inside = same.cpu()
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
            rows = same.unsqueeze(1)
            start, end = torch.where(rows, logits, start), torch.where(rows, end, logits)
        other = end.argmax(1)
        leads = [
            precise((z.gather(1, own.unsqueeze(1)) - z.gather(1, other.unsqueeze(1))).squeeze(1))
            for z in (start, end)
        ]
        share = low + (high - low) * leads[0] / (leads[0] - leads[1])
        points = torch.where(per_example(crossed, near), at(share), torch.nan)
    return points, torch.where(crossed, other, own)
