"""Directions in which one looks from an image: unit steps, one or several per example."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from attacks.norms import per_example
from core.errors import InputError
from core.randomness import generators, normal
from landscape.balls import Ball
from landscape.curvature import input_hessian
from landscape.loss import InputFunction, Loss, blocks, example_ids, value_and_gradient

DEPENDENT = 1e-4
"""A direction whose part beyond the others is shorter than this share of it lies in their span."""
FLAT = 1e-6
"""An eigenvalue below this share of the largest is rounding."""


def random_directions(
    images: Tensor, count: int = 1, *, seed: int = 0, ids: Sequence[str] | None = None
) -> Tensor:
    """Return random directions, uniform on the sphere, orthonormal among themselves.

    They are orthonormalised Gaussian vectors; what the length of Gaussian noise adds is a factor
    that is the same for all in high dimension.

    Args:
        images: `(n, ...)`, any trailing shape.
        count: directions per example, at most the number of pixel values.
        seed: with an example's id, names its stream of random numbers.
        ids: names of the examples, by default their positions.

    Returns:
        `(n, count, ...)`, as the images.

    Raises:
        InputError: more directions than dimensions.

    >>> random_directions(torch.zeros(2, 3), 3).square().sum((1, 2)).round().tolist()
    [3.0, 3.0]
    """
    size = images[0].numel() if len(images) else count
    if not 1 <= count <= size:
        raise InputError(f"count: expected 1 to {size} (the pixel values), found {count}.")
    names = example_ids(ids, len(images))
    if not names:
        return images.new_zeros(0, count, *images.shape[1:])
    drawn = normal(generators(seed, names, "slice"), (count, size), images)
    return orthonormal(drawn.reshape(len(images), count, *images.shape[1:]))


def gradient_directions(loss: InputFunction, images: Tensor, *, batch_size: int = 256) -> Tensor:
    """Return the direction in which the loss of each image rises fastest, `(n, ...)`.

    It is 0 where the gradient is.

    Cost: one forward and one backward pass per example.

    >>> gradient_directions(lambda x: x @ torch.tensor([3.0, -4.0]), torch.zeros(1, 2))
    tensor([[ 0.6000, -0.8000]])
    """
    found = [images[:0]]
    for _, part, x in blocks(loss, images, batch_size):
        found.append(Ball(x, "l2", 1.0).steepest(value_and_gradient(part, x)[1]))
    return torch.cat(found)


def sign_gradient_directions(
    loss: InputFunction, images: Tensor, *, batch_size: int = 256
) -> Tensor:
    """Return the direction in which the loss rises fastest per linf length, `(n, ...)`, l2 unit.

    It is the signs of the gradient over the root of how many there are (Goodfellow et al. 2015,
    Explaining and harnessing adversarial examples), and 0 where the gradient is.

    Cost: one forward and one backward pass per example.
    """
    return unit(gradient_directions(loss, images, batch_size=batch_size).sign())


def eigenvector_directions(
    loss: InputFunction,
    images: Tensor,
    count: int = 1,
    *,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    batch_size: int = 256,
) -> Tensor:
    """Return the eigenvectors of the input Hessian whose eigenvalues are largest in magnitude.

    See `landscape.curvature.input_hessian` for the methods. Each is turned so that the loss rises
    along it to first order. It is 0 for an eigenvalue that is 0, or cannot be told from it.

    Returns:
        `(n, count, ...)`, as the images.

    Cost: that of `input_hessian`, and one forward and one backward pass per example.

    >>> bowl = lambda x: x.square() @ torch.tensor([1.0, 3.0])
    >>> eigenvector_directions(bowl, torch.tensor([[1.0, -1.0]])).round(decimals=3).abs()
    tensor([[[0., 1.]]])
    """
    top = min(count, _rank(loss, images))
    curved = input_hessian(
        loss, images, top=top, vectors=top, seed=seed, ids=ids, batch_size=batch_size
    )
    found = torch.zeros(len(images), count, *images.shape[1:]).to(images)
    size = curved.eigenvalues.abs()
    kept = min(count, size.shape[1], curved.vectors.shape[1])
    real = (size[:, :kept] > FLAT * size[:, :1]).to(images)
    found[:, :kept] = curved.vectors[:, :kept].to(images) * real.reshape(
        *real.shape, *[1] * (images.ndim - 1)
    )
    uphill = gradient_directions(loss, images, batch_size=batch_size)
    slopes = torch.einsum("nkd,nd->nk", found.flatten(2).double(), uphill.flatten(1).double())
    turned = torch.where(slopes < 0, -1.0, 1.0).to(found)
    return found * turned.reshape(*turned.shape, *[1] * (images.ndim - 1))


def _rank(loss: InputFunction, images: Tensor) -> int:
    """Return how many eigenvalues there can be: of a classifier's loss one less than classes."""
    pixels = images[0].numel() if len(images) else 1
    if not isinstance(loss, Loss) or not len(images):
        return pixels
    with torch.no_grad():
        return min(pixels, loss.logits(images[:1]).shape[1] - 1)


def towards(images: Tensor, others: Tensor) -> Tensor:
    """Return the direction from each image to another, `(n, ...)`; 0 where they are the same.

    >>> towards(torch.zeros(1, 2), torch.tensor([[0.0, -2.0]]))
    tensor([[ 0., -1.]])
    """
    return unit(others - images)


def unit(directions: Tensor) -> Tensor:
    """Scale directions `(n, ...)` to length 1; those of length 0 stay."""
    length = torch.linalg.vector_norm(directions.flatten(1).double(), dim=1)
    tiny = torch.finfo(directions.dtype).tiny
    return (directions.double() / per_example(length.clamp_min(tiny), directions)).to(directions)


def orthonormal(directions: Tensor) -> Tensor:
    """Orthonormalise the directions of each example in float64, the first first (Gram, Schmidt).

    The first keeps its direction; each other loses its part along those before it.

    Args:
        directions: `(n, m, ...)`.

    Returns:
        `(n, m, ...)`, as given: rows of length 1, at right angles.

    Raises:
        InputError: a direction is 0, or lies in the span of those before it.

    >>> orthonormal(torch.tensor([[[2.0, 0.0], [1.0, 3.0]]]))
    tensor([[[1., 0.],
             [0., 1.]]])
    """
    flat = directions.flatten(2).cpu().double()
    basis = torch.zeros_like(flat)
    for i in range(flat.shape[1]):
        rest = flat[:, i]
        before = torch.linalg.vector_norm(rest, dim=1)
        along = torch.einsum("nmd,nd->nm", basis, rest)
        rest = rest - torch.einsum("nm,nmd->nd", along, basis)
        after = torch.linalg.vector_norm(rest, dim=1)
        if bad := int((~(after > DEPENDENT * before)).sum()):
            raise InputError(
                f"directions: number {i + 1} is 0 or lies in the span of those before it, for "
                f"{bad} of {len(flat)} examples."
            )
        basis[:, i] = rest / after.unsqueeze(1)
    return basis.reshape(directions.shape).to(directions)
