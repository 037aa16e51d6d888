"""What a walk on spheres around an image has to know of the norm.

A sphere is the set of steps of one length; where the box cuts it off, components are clipped and
the others are long enough to keep the length. Two answers depend on the norm: which step leans
towards a gradient, and how fast a linear function rises with the radius.
"""

from __future__ import annotations

import torch
from torch import Tensor

from attacks.norms import fit, lengths, per_example, rooms, unit


def leaned(
    images: Tensor, taken: Tensor, gradients: Tensor, shares: Tensor, radii: Tensor, norm: str
) -> Tensor:
    """The step of given length that leans from the one taken towards the gradient.

    The taken step is added to a share of the radius along the steepest direction, and the sum is
    brought to the sphere: scaled in l2, clipped in linf; from no step, with a share of at least 1,
    it is the steepest step of that length. Components stop at the box.

    Args:
        images: `(n, ...)` in the box.
        taken: `(n, ...)` the steps.
        gradients: `(n, ...)` of what is to rise.
        shares: `(n,)` of the radius.
        radii: `(n,)` the length to go to.
        norm: `l2` or `linf`.
    """
    sizes = per_example(shares * radii, taken)
    if norm == "l2":
        return fit(images, taken + sizes * unit(gradients), radii)
    limits = per_example(radii, taken)
    step = (taken + sizes * gradients.sign()).clamp(-limits, limits)
    return torch.minimum(step.abs(), rooms(images, step)).copysign(step)


def slope(images: Tensor, taken: Tensor, gradients: Tensor, norm: str) -> Tensor:
    """How fast a linear function rises per unit of the radius as the step is scaled, `(n,)`.

    Components that are at the box stay there. In linf those inside the sphere scale, too. For a
    step of no length it is not a number.
    """
    free = taken * (taken.abs() < rooms(images, taken))
    rise = (gradients * free).flatten(1).sum(1)
    radii = lengths(taken, norm)
    if norm == "linf":
        return rise / radii
    return rise * radii / free.square().flatten(1).sum(1)
