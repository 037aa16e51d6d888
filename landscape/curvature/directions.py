"""Directions in input space along which curvature is worth knowing, one for each example."""

from __future__ import annotations

import torch
from torch import Tensor

from core.errors import InputError
from landscape.loss import InputFunction, blocks, value_and_gradient


def towards(images: Tensor, others: Tensor) -> Tensor:
    """Return the steps from images `(n, ...)` to others; a row of NaN where one of them is.

    The other may be the adversarial twin, the genuine image, or any image of the same shape.

    >>> towards(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
    tensor([[-1.,  2.]])
    """
    if images.shape != others.shape:
        expected = f"the shape of the images, {tuple(images.shape)}"
        raise InputError(f"others: expected {expected}, found {tuple(others.shape)}.")
    return others.to(images) - images


def towards_class_mean(
    images: Tensor,
    classes: Tensor,
    genuine: Tensor,
    labels: Tensor,
    *,
    own: Tensor | None = None,
) -> Tensor:
    """Return the steps from images to the mean of the genuine images of a class.

    Args:
        images: `(n, ...)`.
        classes: the class of each, `(n,)`: the predicted one, or the true one.
        genuine: `(m, ...)`.
        labels: true classes of the genuine images, `(m,)`.
        own: the place of each image's own genuine image among them, `(n,)`, which is left out of
            its mean; -1 where it has none. By default none has.

    Returns:
        `(n, ...)`, as the images; a row of NaN where the class has no other genuine image.

    >>> genuine = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 4.0]])
    >>> labels = torch.tensor([1, 1, 0])
    >>> towards_class_mean(genuine[:1], labels[:1], genuine, labels, own=torch.tensor([0]))
    tensor([[0., 2.]])
    """
    total = int(max(classes.max(), labels.max())) + 1 if len(classes) else 1
    flat = genuine.flatten(1).double()
    sums = torch.zeros(total, flat.shape[1], dtype=torch.float64, device=flat.device)
    sums.index_add_(0, labels.to(flat.device), flat)
    counts = torch.bincount(labels, minlength=total).to(sums)
    mean, count = sums[classes.to(sums.device)], counts[classes.to(sums.device)]
    if own is not None:
        place = own.to(sums.device)
        among = (place >= 0) & (labels.to(sums.device)[place] == classes.to(sums.device))
        mean = mean - flat[place] * among.unsqueeze(1)
        count = count - among.to(count)
    found = mean / count.unsqueeze(1)
    there = torch.where(count > 0, 1.0, torch.nan).unsqueeze(1)
    return (found * there).reshape(images.shape).to(images) - images


def gradient_direction(loss: InputFunction, images: Tensor, *, batch_size: int = 256) -> Tensor:
    """Return the gradient of the loss at images `(n, ...)`, of any length.

    Cost: one forward and one backward pass per example.

    >>> gradient_direction(lambda x: x @ torch.tensor([3.0, -4.0]), torch.zeros(1, 2))
    tensor([[ 3., -4.]])
    """
    return torch.cat(
        [value_and_gradient(part, x)[1] for _, part, x in blocks(loss, images, batch_size)]
    )
