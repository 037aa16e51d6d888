"""Directions in input space along which curvature is worth knowing, one for each example."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.norms import per_example
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


@dataclass(frozen=True)
class ClassMeans:
    """Sums of the genuine images of each class, from which means leave single images out.

    Attributes:
        sums: `(classes, ...)`, float64 on the CPU.
        counts: images of each class, `(classes,)`.
    """

    sums: Tensor
    counts: Tensor

    def towards(
        self,
        images: Tensor,
        classes: Tensor,
        *,
        own: Tensor | None = None,
        own_labels: Tensor | None = None,
    ) -> Tensor:
        """Return the steps from images to the mean genuine image of a class.

        Args:
            images: `(n, ...)`.
            classes: the class of each, `(n,)`: the predicted one, or the true one.
            own: the genuine image that each came from, `(n, ...)`, to be left out of its class's
                mean; by default none is.
            own_labels: the true class of each of these, `(n,)`.

        Returns:
            `(n, ...)`, as the images; a row of NaN where the class has no other genuine image.
        """
        chosen = classes.cpu()
        sums, counts = self.sums[chosen], self.counts[chosen]
        if own is not None and own_labels is not None:
            among = own_labels.cpu() == chosen
            sums = sums - torch.where(per_example(among, own.cpu()), own.cpu().double(), 0)
            counts = counts - among.to(counts)
        means = sums / per_example(torch.where(counts > 0, counts, torch.nan), sums)
        return means.to(images) - images


def class_means(batches: Iterable[tuple[Tensor, Tensor]], classes: int) -> ClassMeans:
    """Return the class means of genuine images that come in batches with their labels.

    >>> images, labels = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 4.0]]), torch.tensor([1, 1, 0])
    >>> means = class_means([(images, labels)], classes=2)
    >>> means.towards(images[:1], labels[:1], own=images[:1], own_labels=labels[:1])
    tensor([[0., 2.]])
    """
    sums: Tensor | None = None
    counts = torch.zeros(classes, dtype=torch.int64)
    for images, labels in batches:
        if sums is None:
            sums = torch.zeros(classes, *images.shape[1:], dtype=torch.float64)
        sums.index_add_(0, labels.cpu(), images.cpu().double())
        counts += torch.bincount(labels.cpu(), minlength=classes)
    if sums is None:
        raise InputError("batches: expected at least one.")
    return ClassMeans(sums, counts)


def gradient_direction(loss: InputFunction, images: Tensor, *, batch_size: int = 256) -> Tensor:
    """Return the gradient of the loss at images `(n, ...)`, of any length.

    Cost: one forward and one backward pass per example.

    >>> gradient_direction(lambda x: x @ torch.tensor([3.0, -4.0]), torch.zeros(1, 2))
    tensor([[ 3., -4.]])
    """
    return torch.cat(
        [value_and_gradient(part, x)[1] for _, part, x in blocks(loss, images, batch_size)]
    )
