"""Whether a classifier and a set of images go together, found out before the work starts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from core.errors import InputError
from core.models.classifier import Classifier, evaluating

log = logging.getLogger("inputscape")


def check_images(
    classifier: Classifier,
    image_shape: Sequence[int],
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
) -> int:
    """Return the number of outputs, after making sure that images and classes fit the classifier.

    Args:
        classifier: the classifier.
        image_shape: `(c, h, w)` of the images.
        num_classes: the number of classes that the labels count.
        class_names: the names of those classes, in the order of the labels.

    Raises:
        InputError: where the network does not take images of that size, its outputs are not
            `(n, k)` or not finite, or the labels exceed or reorder its classes.

    Costs one forward pass of two black images.
    """
    size = " x ".join(map(str, image_shape))
    with torch.no_grad(), evaluating(classifier):
        logits = _probe(classifier, image_shape, size)
    if not isinstance(logits, Tensor) or logits.dim() != 2 or logits.shape[0] != 2:
        found = (
            f"a tensor of shape {tuple(logits.shape)}"
            if isinstance(logits, Tensor)
            else f"a {type(logits).__name__}"
        )
        raise InputError(
            f"--model: {classifier.spec} gives {found} for 2 images of {size}; "
            "expected logits of shape (2, classes)."
        )
    if not bool(logits.isfinite().all()):
        raise InputError(
            f"--model: {classifier.spec} gives logits that are not finite for black images."
        )
    outputs = int(logits.shape[1])
    _check_classes(classifier, outputs, num_classes, class_names)
    return outputs


def _probe(classifier: Classifier, image_shape: Sequence[int], size: str) -> object:
    images = classifier.mean.new_zeros((2, *image_shape))
    try:
        return classifier(images)
    except (InputError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"--model: {classifier.spec} does not take images of {size} (channels x height x "
            f"width): {first}"
        ) from error


def _check_classes(
    classifier: Classifier,
    outputs: int,
    num_classes: int | None,
    class_names: Sequence[str] | None,
) -> None:
    if classifier.num_classes not in (None, outputs):
        raise InputError(
            f"--num_classes: {classifier.num_classes} asked for, but {classifier.spec} has "
            f"{outputs} outputs."
        )
    if num_classes is not None and num_classes > outputs:
        raise InputError(
            f"--data: the labels count {num_classes} classes, but {classifier.spec} has only "
            f"{outputs} outputs."
        )
    ours, theirs = classifier.class_names, class_names
    if ours is not None and len(ours) != outputs:
        raise InputError(
            f"--class_names: {len(ours)} names for the {outputs} outputs of {classifier.spec}."
        )
    if ours is None or theirs is None or list(ours[: len(theirs)]) == list(theirs):
        return
    moved = [n for i, n in enumerate(theirs) if n in ours and ours.index(n) != i]
    if moved:
        raise InputError(
            f"--data: the class {moved[0]!r} has label {list(theirs).index(moved[0])} in the "
            f"data, but is output {ours.index(moved[0])} of {classifier.spec}; both must have "
            f"the classes in one order ({len(moved)} differ)."
        )
    log.warning(
        "--data: the classes of the data (%s, ...) are named otherwise than those of %s (%s, ...); "
        "label i is taken to be output i.",
        theirs[0],
        classifier.spec,
        ours[0],
    )
