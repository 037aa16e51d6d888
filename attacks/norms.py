"""Lengths of steps, and the projections that keep an image in its ball and in the box.

A step is `adversarial - image`, `(n, ...)`; its length is a number per example, in input units.
The box is `[0, 1]` in every component. A step of given length clipped to the box, the projection
onto ball and box, and the distance to a half-space within the box are all of the form
`sum_i min(level * rate_i, cap_i) = total`, which `water_level` solves exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

NORMS = ("linf", "l2", "l1", "l0")


def per_example(values: Tensor, like: Tensor) -> Tensor:
    """Shape `(n,)` values so that they broadcast over the `(n, ...)` tensor `like`."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def lengths(steps: Tensor, norm: str) -> Tensor:
    """Length of each step, `(n, ...) -> (n,)`; `l0` counts the components that moved.

    >>> lengths(torch.tensor([[3.0, -4.0]]), "l2").item()
    5.0
    """
    flat = steps.flatten(1)
    if norm == "linf":
        return flat.abs().amax(1)
    if norm == "l2":
        return torch.linalg.vector_norm(flat, dim=1)
    if norm == "l1":
        return flat.abs().sum(1)
    if norm == "l0":
        return (flat != 0).sum(1).to(steps.dtype)
    raise ValueError(f"unknown norm {norm!r}")


def rooms(images: Tensor, directions: Tensor) -> Tensor:
    """How far each component can move in the sign of its direction before it leaves the box."""
    return torch.where(directions < 0, images, 1 - images)


def water_level(rates: Tensor, caps: Tensor, totals: Tensor) -> Tensor:
    """The level at which `sum_i min(level * rates_i, caps_i)` reaches the total, `(n,)`.

    The sum is concave and piecewise linear in the level: Newton's method from below rises to the
    solution monotonically and ends exactly on it, after a handful of passes over the components.

    Args:
        rates: `(n, d)`, not negative.
        caps: `(n, d)`, not negative.
        totals: `(n,)`, not negative.

    Returns:
        `(n,)`: infinite where the caps together fall short of the total.

    >>> water_level(torch.tensor([[1.0, 1.0]]), torch.tensor([[0.2, 9.0]]), torch.tensor([1.0]))
    tensor([0.8000])
    """
    level = _quotient(totals, rates.sum(1))
    while True:
        free = level.unsqueeze(1) * rates < caps
        filled = torch.where(free, 0, caps).sum(1)
        raised = _quotient((totals - filled).clamp_min(0), torch.where(free, rates, 0).sum(1))
        # Beyond the solution only rounding moves the level; downwards it never has to go.
        higher = (raised > level) & torch.isfinite(level)
        if not bool(higher.any()):
            return level
        level = torch.where(higher, raised, level)


def _quotient(totals: Tensor, rates: Tensor) -> Tensor:
    """`totals / rates`, with 0 / 0 = 0 and anything else / 0 = infinity."""
    return torch.where(totals > 0, totals / rates, 0)


def fit(images: Tensor, directions: Tensor, radii: Tensor) -> Tensor:
    """The step of l2 length `radii` along the directions, components that leave the box clipped.

    It is `clip(level * direction)` with the level at which the clipped step has that length, or the
    way to the box's corner where the box has no room for it.

    Args:
        images: `(n, ...)` in the box.
        directions: `(n, ...)`; a zero direction gives a zero step.
        radii: `(n,)`, not negative.
    """
    directions = unit_peak(directions)
    caps = rooms(images, directions)
    level = water_level(directions.square().flatten(1), caps.square().flatten(1), radii.square())
    scaled = per_example(level.sqrt(), images) * directions.abs()
    scaled = torch.where(directions == 0, 0, scaled)
    return torch.minimum(scaled, caps).copysign(directions)


def unit_peak(directions: Tensor) -> Tensor:
    """Each direction divided by its largest component, so that its squares cannot underflow."""
    peaks = per_example(lengths(directions, "linf"), directions)
    return torch.where(peaks > 0, directions / peaks, 0)


def unit(directions: Tensor) -> Tensor:
    """Each direction divided by its l2 length; zero stays zero, and tiny ones do not underflow."""
    scaled = unit_peak(directions)
    long = per_example(lengths(scaled, "l2"), scaled)
    return torch.where(long > 0, scaled / long, 0)


def steepest(gradients: Tensor, norm: str) -> Tensor:
    """The step of length 1 in the norm that raises a linear function of this gradient most."""
    return gradients.sign() if norm == "linf" else unit(gradients)


def project(points: Tensor, images: Tensor, radii: Tensor, norm: str) -> Tensor:
    """The nearest point (in l2) of the ball around the image intersected with the box.

    For linf that is a clip. For l2 the optimality conditions give `clip(s * step)` with `s <= 1`
    such that the clipped step has the ball's radius: exact, not alternating projections.

    Args:
        points: `(n, ...)` anywhere.
        images: `(n, ...)` in the box: the centres.
        radii: `(n,)`.
        norm: `linf` or `l2`.

    >>> image, far = torch.tensor([[0.9, 0.5]]), torch.tensor([[1.3, 0.8]])
    >>> project(far, image, torch.tensor([0.5]), "l2")
    tensor([[1.0000, 0.8000]])
    """
    if norm == "linf":
        reach = per_example(radii, images)
        return torch.clamp(points, (images - reach).clamp_min(0), (images + reach).clamp_max(1))
    step = points.clamp(0, 1) - images
    outside = lengths(step, "l2") > radii
    if not bool(outside.any()):
        return images + step
    fitted = fit(images, points - images, radii)
    return (images + torch.where(per_example(outside, images), fitted, step)).clamp(0, 1)


def reach(images: Tensor, normals: Tensor, offsets: Tensor, norm: str = "l2") -> Tensor:
    """The distance within the box to the half-space `normal . step >= offset`, `(n,)`.

    The shortest step there is `clip(level * normal)` in l2, and `clip(level * sign(normal))` in
    linf, where the level is the distance. Infinite where the box does not reach the half-space.

    >>> image, normal = torch.tensor([[0.9, 0.5]]), torch.tensor([[1.0, 1.0]])
    >>> reach(image, normal, torch.tensor([0.4]), "linf")
    tensor([0.3000])
    """
    peaks = lengths(normals, "linf")
    scaled = unit_peak(normals)
    size, caps = scaled.abs(), rooms(images, scaled)
    totals = _quotient(offsets.clamp_min(0), peaks)
    rates = size if norm == "linf" else size.square()
    level = water_level(rates.flatten(1), (size * caps).flatten(1), totals)
    if norm == "linf":
        return level
    step = torch.minimum(torch.where(size > 0, per_example(level, images) * size, 0), caps)
    return torch.where(torch.isfinite(level), lengths(step, "l2"), torch.inf)
