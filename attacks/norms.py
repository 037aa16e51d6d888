"""Lengths of steps, and the projections that keep an image in its ball and in the box.

A step is `adversarial - image`, `(n, ...)`; its length is a number per example, in input units.
The box is `[0, 1]` in every component. A step of given length clipped to the box, the projection
onto ball and box, and the distance to a half-space within the box are all of the form
`sum_i min(level * rate_i, cap_i) = total`, which `water_level` solves exactly; the l1 ball and the
box need a threshold instead, see `l1_threshold`.
"""

from __future__ import annotations

import torch
from torch import Tensor

NORMS = ("linf", "l2", "l1", "l0")
SPARSE = 0.01


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


def fit(images: Tensor, directions: Tensor, radii: Tensor, norm: str = "l2") -> Tensor:
    """The step of length `radii` along the directions, components that leave the box clipped.

    It is `clip(level * direction)` with the level at which the clipped step has that length, or the
    way to the box's corner where the box has no room for it.

    Args:
        images: `(n, ...)` in the box.
        directions: `(n, ...)`; a zero direction gives a zero step.
        radii: `(n,)`, not negative.
        norm: of the length, `l2` or `l1`.
    """
    directions = unit_peak(directions)
    caps = rooms(images, directions)
    if norm == "l1":
        sizes = directions.abs()
        level = water_level(sizes.flatten(1), caps.flatten(1), radii)
        scaled = torch.where(sizes > 0, per_example(level, images) * sizes, 0)
        return torch.minimum(scaled, caps).copysign(directions)
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
    such that the clipped step has the ball's radius: exact, not alternating projections. For l1
    they give `clip(step - t * sign(step))`, components shorter than `t` set to zero (Croce & Hein
    2021, "Mind the box: l1-APGD for sparse adversarial attacks on image classifiers").

    Args:
        points: `(n, ...)` anywhere.
        images: `(n, ...)` in the box: the centres.
        radii: `(n,)`.
        norm: `linf`, `l2` or `l1`.

    >>> image, far = torch.tensor([[0.9, 0.5]]), torch.tensor([[1.3, 0.8]])
    >>> project(far, image, torch.tensor([0.5]), "l2")
    tensor([[1.0000, 0.8000]])
    >>> project(far, image, torch.tensor([0.25]), "l1")
    tensor([[1.0000, 0.6500]])
    """
    if norm == "linf":
        reach = per_example(radii, images)
        return torch.clamp(points, (images - reach).clamp_min(0), (images + reach).clamp_max(1))
    if norm == "l1":
        radii = radii * (1 - 8 * torch.finfo(images.dtype).eps)
    step = points.clamp(0, 1) - images
    outside = lengths(step, norm) > radii
    if not bool(outside.any()):
        return images + step
    shrink = fit if norm == "l2" else shrunk
    fitted = shrink(images[outside], (points - images)[outside], radii[outside])
    step[outside] = fitted
    made = (images + step).clamp(0, 1)
    if norm == "l1":
        # The components' rounding adds up: none may end farther out than it was meant to.
        farther = (made - images).abs() > step.abs()
        made = torch.where(farther, torch.nextafter(made, images), made)
    return made


def shrunk(images: Tensor, steps: Tensor, radii: Tensor) -> Tensor:
    """The step nearest to these, of l1 length `radii` and inside the box; they must be longer.

    Args:
        images: `(n, ...)` in the box.
        steps: `(n, ...)`, longer than the radii once they are clipped to the box.
        radii: `(n,)`, not negative.
    """
    sizes, caps = steps.abs(), rooms(images, steps)
    level = l1_threshold(sizes.flatten(1), caps.flatten(1), radii)
    kept = (sizes - per_example(level, images)).clamp_min(0)
    return torch.minimum(kept, caps).copysign(steps)


def l1_threshold(sizes: Tensor, caps: Tensor, totals: Tensor) -> Tensor:
    """The threshold `t` at which `sum_i min(max(sizes_i - t, 0), caps_i)` is the total, `(n,)`.

    The sum falls with the threshold and is piecewise linear, neither convex nor concave: Newton's
    method inside a bracket, which ends on the solution once both lie on the same piece.

    Args:
        sizes: `(n, d)`, not negative.
        caps: `(n, d)`, not negative.
        totals: `(n,)`, not negative, and less than the sum without a threshold.

    >>> sizes, caps = torch.tensor([[1.0, 0.7]]), torch.tensor([[0.2, 9.0]])
    >>> l1_threshold(sizes, caps, torch.tensor([0.5]))
    tensor([0.4000])
    """
    low, high = torch.zeros_like(totals), sizes.amax(1)
    level = low
    close = 4 * torch.finfo(sizes.dtype).eps * totals
    for turn in range(100):
        kept = (sizes - level.unsqueeze(1)).clamp_min(0)
        excess = torch.minimum(kept, caps).sum(1) - totals
        if bool((excess.abs() <= close).all()):
            break
        low = torch.where(excess > 0, level, low)
        high = torch.where(excess > 0, high, level)
        free = ((kept > 0) & (kept < caps)).sum(1)
        newton = level + excess / free
        middle = (low + high) / 2
        # Every third turn halves the bracket, however slowly Newton's method gets on.
        inside = (newton > low) & (newton < high) & (turn % 3 < 2)
        following = torch.where(inside, newton, middle)
        following = torch.where(excess.abs() <= close, level, following)
        if bool((following == level).all()):
            break
        level = following
    return level


def sparse_steps(points: Tensor, gradients: Tensor, reach: Tensor) -> Tensor:
    """Steps of l1 length `reach` along the largest components of the gradient, inside the box.

    The components are taken in the order of the gradient's size. Each moves by the length over a
    hundredth of their number, or as far as the box has room, until the length is used up. With
    fewer than 150 components one may take it all, and the step is the best there is inside the box.
    Tramer & Boneh 2019, "Adversarial training and robustness for multiple perturbations".

    Args:
        points: `(n, ...)` in the box, where the step begins.
        gradients: `(n, ...)`; a zero gradient gives a zero step.
        reach: `(n,)`, not negative.

    >>> sparse_steps(torch.tensor([[0.9, 0.5]]), torch.tensor([[3.0, -1.0]]), torch.tensor([0.3]))
    tensor([[ 0.1000, -0.2000]])
    """
    sizes = gradients.abs().flatten(1)
    space = torch.where(gradients == 0, 0, rooms(points, gradients)).flatten(1)
    most = reach / max(1, round(SPARSE * sizes.shape[1]))
    order = sizes.argsort(dim=1, descending=True, stable=True)
    ordered = torch.minimum(space, most.unsqueeze(1)).gather(1, order)
    left = (reach.unsqueeze(1) - (ordered.cumsum(1) - ordered)).clamp_min(0)
    moved = torch.zeros_like(sizes).scatter(1, order, torch.minimum(ordered, left))
    return moved.reshape(gradients.shape).copysign(gradients)


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
