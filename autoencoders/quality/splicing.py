"""What the classifier does when reconstructions stand in for a layer's output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.data import ImageSet
from core.layers import capture, replacing
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
    whole: Tensor | None = None,
    batch_size: int = 256,
) -> Spliced:
    """Run a classifier with a function of a layer's output in its place.

    Args:
        classifier: on its device.
        images: to be classified.
        layer: its name, see `core.layers`.
        function: the layer's output `(b, ...)` to what goes on, such as an autoencoder.
        whole: the classifier's own logits `(n, k)`, where they are known; see `logits`.
        batch_size: images in one forward pass.

    Cost: one forward pass per image, two where `whole` is not given.
    """
    parts: list[tuple[Tensor, ...]] = []
    device = next(classifier.parameters(), torch.empty(0)).device
    done = 0
    with torch.no_grad(), evaluating(classifier):
        for x, labels in images.batches(batch_size, device=device):
            own = classifier(x) if whole is None else whole[done : done + len(x)].to(device)
            own, done = own.double(), done + len(x)
            with replacing(classifier, layer, function):
                changed = classifier(x).double()
            log_p, log_q = own.log_softmax(1), changed.log_softmax(1)
            predicted = changed.argmax(1)
            parts.append(
                (
                    predicted,
                    cross_entropy(changed, labels),
                    (log_p.exp() * (log_p - log_q)).sum(1),
                    predicted == own.argmax(1),
                    predicted == labels,
                )
            )
    return Spliced(*(torch.cat(column).cpu() for column in zip(*parts, strict=True)))


def logits(classifier: Classifier, images: ImageSet, *, batch_size: int = 256) -> Tensor:
    """Return the classifier's logits for all images, `(n, k)`, on the CPU."""
    device = next(classifier.parameters(), torch.empty(0)).device
    with torch.no_grad(), evaluating(classifier):
        return torch.cat(
            [classifier(x).cpu() for x, _ in images.batches(batch_size, device=device)]
        )


def logits_with(classifier: Classifier, layer: str, rows: Tensor, images: Tensor) -> Tensor:
    """Return the logits of images where given representations stand in for a layer's output.

    Gradients flow to the representations.

    Args:
        classifier: in eval mode.
        layer: its name, see `core.layers`.
        rows: `(n, ...)` in place of the layer's output.
        images: `(n, c, h, w)`; where all of the classifier goes through the layer (`is_cut`), they
            have no influence.

    Returns:
        `(n, classes)`.
    """
    with replacing(classifier, layer, lambda output: rows.to(output)):
        logits: Tensor = classifier(images)
    return logits


def is_cut(classifier: Classifier, layer: str, images: Tensor) -> bool:
    """Say whether a layer's output alone decides what the classifier answers.

    It does not inside a residual block, where the image goes another way, too. Tried out: of two
    images with the representation of the first, both have to get the same logits.

    Args:
        classifier: on the device of the images.
        layer: its name.
        images: two different ones, `(2, c, h, w)`.
    """
    with torch.no_grad(), evaluating(classifier):
        rows = capture(classifier, [layer], images)[layer]
        rows = rows[:1].repeat(2, *[1] * (rows.ndim - 1))
        first, second = logits_with(classifier, layer, rows, images)
    return bool(torch.allclose(first, second, rtol=1e-4, atol=1e-5))


def loss_recovered(spliced: float, whole: float, ablated: float) -> float:
    """Return the share of the ablation's damage that a reconstruction avoids.

    `(L_ablated - L_spliced) / (L_ablated - L_whole)`, of mean cross-entropies: 1 is as good as the
    layer itself, 0 as bad as the ablation. NaN where the ablation does no damage.

    >>> loss_recovered(spliced=0.75, whole=0.5, ablated=1.5)
    0.75
    """
    damage = ablated - whole
    return (ablated - spliced) / damage if damage > 0 else float("nan")
