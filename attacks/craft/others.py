"""Other classifiers, whose examples are shown to the one under study: `SPEC[@CHECKPOINT]`."""

from __future__ import annotations

from collections.abc import Sequence

from core.data import ImageSet
from core.errors import InputError
from core.models import Classifier, check_images, load_classifier
from core.models.builtin import BUILT_IN
from core.models.checkpoints import read_checkpoint
from core.models.sources import kind_of
from core.options import split_list

ARGUMENT = "--others"


def other_specs(
    given: Sequence[str] | str | None, *, model: str, checkpoint: str | None, data: str
) -> tuple[str, ...]:
    """Return what the option names; if it is not given, the other net that comes with the digits.

    Raises:
        InputError: an item is not of the form, or is given twice.

    >>> other_specs(None, model="digits_mlp", checkpoint=None, data="digits")
    ('digits_convnet',)
    >>> other_specs(None, model="resnet18", checkpoint="net.safetensors", data="photographs")
    ()
    """
    if given is None:
        own = model in BUILT_IN and checkpoint is None and data == "digits"
        return tuple(name for name in BUILT_IN if name != model) if own else ()
    items = split_list(given, ARGUMENT)
    for item in items:
        spec, at, weights = item.partition("@")
        if not spec or (at and not weights):
            raise InputError(f"{ARGUMENT}: found {item!r}, expected SPEC[@CHECKPOINT].")
    if len(set(items)) < len(items):
        raise InputError(f"{ARGUMENT}: the same classifier is given twice.")
    return tuple(items)


def load_other(
    item: str,
    images: ImageSet,
    *,
    normalisation: str | None,
    stem: str | None,
    device: str,
    classes: int,
) -> Classifier:
    """Load a classifier; what its checkpoint says of itself goes before normalisation and stem.

    Args:
        item: `SPEC[@CHECKPOINT]`.
        images: what it has to take.
        normalisation: see `load_classifier`.
        stem: see `load_classifier`.
        device: where it computes.
        classes: how many outputs it has to have.

    Raises:
        InputError: it cannot be loaded, or does not go with images and classes.
    """
    spec, _, checkpoint = item.partition("@")
    try:
        silent = checkpoint != "" and read_checkpoint(checkpoint).record is None
        published = kind_of(spec) in ("torchvision", "timm")
        classifier = load_classifier(
            spec,
            checkpoint=checkpoint or None,
            normalisation=normalisation if silent else None,
            stem=stem if silent and published else None,
            device=device,
        )
        found = check_images(classifier, images.shape, len(images.class_names), images.class_names)
    except InputError as error:
        raise InputError(f"{ARGUMENT}: {item}: {error}") from error
    if found != classes:
        raise InputError(f"{ARGUMENT}: {item} has {found} classes, expected {classes}.")
    return classifier
