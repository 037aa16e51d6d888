"""What the classifier does when reconstructions stand in for a layer's output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.data import ImageSet
from core.layers import replacing
from core.losses import cross_entropy
from core.models import Classifier, evaluating


@dataclass(frozen=True)
class Spliced:
    """The classifier with something in place of a layer's output, per example, `(n,)` each.

    Attributes:
        predictions: the predicted classes.
        cross_entropy: of the true class, in nats.
        divergence: of the predicted distribution from that of the whole classifier, `KL(p | q)`, in
            nats.
        agrees: whether the prediction is that of the whole classifier.
        right: whether it is the true class.
    """

    predictions: Tensor
    cross_entropy: Tensor
    divergence: Tensor
    agrees: Tensor
    right: Tensor


def spliced(
    classifier: Classifier,
    images: ImageSet,
    layer: str,
    function: Callable[[Tensor], Tensor],
    *,
    batch_size: int = 256,
) -> Spliced:
    """Run a classifier with a function of a layer's output in its place.

    Args:
        classifier: on its device.
        images: to be classified.
        layer: its name, see `core.layers`.
        function: the layer's output `(b, ...)` to what goes on, such as an autoencoder.
        batch_size: images in one forward pass.

    Cost: two forward passes per image.
    """
    parts: list[tuple[Tensor, ...]] = []
    device = next(classifier.parameters(), torch.empty(0)).device
    with torch.no_grad(), evaluating(classifier):
        for x, labels in images.batches(batch_size, device=device):
            whole = classifier(x).double()
            with replacing(classifier, layer, function):
                changed = classifier(x).double()
            log_p, log_q = whole.log_softmax(1), changed.log_softmax(1)
            predicted = changed.argmax(1)
            parts.append(
                (
                    predicted,
                    cross_entropy(changed, labels),
                    (log_p.exp() * (log_p - log_q)).sum(1),
                    predicted == whole.argmax(1),
                    predicted == labels,
                )
            )
    return Spliced(*(torch.cat(column).cpu() for column in zip(*parts, strict=True)))


def loss_recovered(spliced: Spliced, whole: Spliced, ablated: Spliced) -> float:
    """Return the share of the ablation's damage that a reconstruction avoids.

    `(L_ablated - L_spliced) / (L_ablated - L_whole)`, with mean cross-entropies: 1 is as good as
    the layer itself, 0 as bad as the ablation. NaN where the ablation does no damage.
    """
    damage = ablated.cross_entropy.mean() - whole.cross_entropy.mean()
    if damage <= 0:
        return float("nan")
    return float((ablated.cross_entropy.mean() - spliced.cross_entropy.mean()) / damage)
