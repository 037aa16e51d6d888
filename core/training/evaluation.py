"""How well a classifier does on an image set."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from core.data import ImageSet
from core.errors import InputError
from core.losses import cross_entropy


class Evaluation(NamedTuple):
    """Accuracy in [0, 1] and mean cross-entropy in nats, over all images of a set."""

    accuracy: float
    loss: float


def evaluate(classifier: nn.Module, images: ImageSet, batch_size: int = 256) -> Evaluation:
    """Return the accuracy and mean cross-entropy of a classifier, in the mode that it is in.

    Args:
        classifier: images `(n, c, h, w)` in [0, 1] -> logits `(n, k)`.
        images: the image set, labels below `k`.
        batch_size: images per forward pass.

    Raises:
        InputError: a label lies outside the classes.
    """
    first = next(classifier.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    right, total = 0, 0.0
    with torch.no_grad():
        for pixels, labels in images.batches(batch_size, device=device):
            logits = classifier(pixels).float()
            if int(labels.max()) >= logits.shape[1]:
                raise InputError(
                    f"labels go up to {int(labels.max())}, but the classifier has "
                    f"{logits.shape[1]} classes."
                )
            right += int((logits.argmax(1) == labels).sum())
            total += float(cross_entropy(logits.double(), labels).sum())
    return Evaluation(right / len(images), total / len(images))
