"""What the attacks are given, checked where it comes in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attacks.counting import Counting
from core import randomness
from core.errors import InputError


def checked_classifier(classifier: object) -> None:
    """Raise where the classifier is none, such as a name."""
    if not isinstance(classifier, nn.Module):
        raise InputError(
            f"classifier: expected a torch.nn.Module, found {type(classifier).__name__}; "
            "core.load_classifier loads one by name."
        )


def checked_tensor(values: object, argument: str) -> None:
    """Raise where what is given is no tensor, such as a numpy array."""
    if not isinstance(values, Tensor):
        kind = f"{type(values).__module__}.{type(values).__name__}".removeprefix("builtins.")
        raise InputError(f"{argument}: expected a torch tensor, found {kind}.")


def checked_images(images: Tensor, argument: str = "images") -> Tensor:
    """Return the images, `(n, ...)`, detached; raise where they are no images in `[0, 1]`."""
    checked_tensor(images, argument)
    if not torch.is_floating_point(images) or images.ndim < 2:
        found = f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
        raise InputError(f"{argument}: expected floats of shape (n, ...), found {found}.")
    images = images.detach().clone() if images.is_inference() else images.detach()
    if not bool(torch.isfinite(images).all()):
        raise InputError(f"{argument}: some values are not finite.")
    if len(images) and not bool(((images >= 0) & (images <= 1)).all()):
        low, high = images.min().item(), images.max().item()
        raise InputError(f"{argument}: expected values in [0, 1], found [{low:.6g}, {high:.6g}].")
    return images


def checked_labels(labels: Tensor, count: int, argument: str) -> Tensor:
    """Return the classes as int64 `(n,)`; raise where they are none, or not one per image."""
    checked_tensor(labels, argument)
    if labels.shape != (count,):
        raise InputError(
            f"{argument}: expected one class for each of {count} images, found shape "
            f"{tuple(labels.shape)}."
        )
    if torch.is_floating_point(labels) or labels.dtype == torch.bool:
        raise InputError(f"{argument}: expected integers, found {labels.dtype}.")
    if count and int(labels.min()) < 0:
        raise InputError(f"{argument}: a class cannot be negative, found {int(labels.min())}.")
    return labels.detach().to(torch.int64)


def checked_ids(ids: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Return one name per image; raise where they are not as many, or not different."""
    names = tuple(map(str, range(count) if ids is None else ids))
    if len(names) != count:
        raise InputError(f"ids: expected one for each of {count} images, found {len(names)}.")
    if len(set(names)) != count:
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"ids: {twice!r} names more than one image.")
    return names


def device_of(classifier: nn.Module, images: Tensor) -> torch.device:
    """Return where the classifier computes: its first parameter's or buffer's place."""
    for tensor in (*classifier.parameters(), *classifier.buffers()):
        return tensor.device
    return images.device


def drawn_targets(
    counting: Counting,
    images: Tensor,
    labels: Tensor,
    ids: Sequence[str],
    seed: int,
    targets: Tensor | None,
    device: torch.device,
) -> Tensor:
    """Return the target classes: those given, or each drawn from the other classes.

    The number of classes is the classifier's `num_classes`, else it is read off the logits of the
    first image, which costs a forward pass.
    """
    if targets is not None:
        if bool((targets == labels).any()):
            where = ids[int((targets == labels).nonzero()[0])]
            raise InputError(f"targets: the target of {where!r} is its own label.")
        return targets
    classes = getattr(counting.classifier, "num_classes", None)
    if classes is None:
        with torch.no_grad(), counting.serving(torch.zeros(1, dtype=torch.int64)):
            classes = counting(images[:1].to(device)).shape[1]
    steps = [int(g.integers(1, classes)) for g in randomness.generators(seed, ids, "target class")]
    return (labels + torch.tensor(steps, dtype=torch.int64).to(labels)) % classes
