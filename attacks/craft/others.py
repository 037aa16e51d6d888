"""Other classifiers, whose examples are shown to the one under study: `SPEC[@CHECKPOINT]`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attacks.classifier_specs import load_spec, split_spec
from core.data import ImageSet
from core.errors import InputError
from core.models import Classifier, check_images
from core.models.builtin import BUILT_IN
from core.options import split_list

ARGUMENT = "--others"


def other_specs(
    given: Sequence[str] | str | None, *, model: str, checkpoint: str | None, data: str
) -> tuple[str, ...]:
    """Return what the option names; if it is not given, the other nets that come with the digits.

    Raises:
        InputError: an item is not of the form, or is given twice.

    >>> other_specs(None, model="digits_mlp", checkpoint=None, data="digits")
    ('digits_convnet', 'digits_residual', 'digits_patches')
    >>> other_specs(None, model="resnet18", checkpoint="net.safetensors", data="photographs")
    ()
    """
    if given is None:
        own = model in BUILT_IN and checkpoint is None and data == "digits"
        return tuple(name for name in BUILT_IN if name != model) if own else ()
    items = split_list(given, ARGUMENT)
    for item in items:
        split_spec(item, ARGUMENT)
    if len(set(items)) < len(items):
        raise InputError(f"{ARGUMENT}: the same classifier is given twice.")
    return tuple(items)


def load_others(
    items: Iterable[str],
    classifier: Classifier,
    images: ImageSet,
    *,
    normalisation: str | None,
    stem: str | None,
    device: str,
) -> dict[str, Classifier]:
    """Load the classifiers that go with one under study, by what the option calls them.

    Args:
        items: each `SPEC[@CHECKPOINT]`.
        classifier: the one under study, whose number of classes they have to have.
        images: what all have to take.
        normalisation: see `load_spec`.
        stem: see `load_spec`.
        device: where they compute.

    Raises:
        InputError: one cannot be loaded, or does not go with images and classes.
    """
    classes = check_images(classifier, images.shape, len(images.class_names), images.class_names)
    return {
        item: load_other(
            item, images, normalisation=normalisation, stem=stem, device=device, classes=classes
        )
        for item in items
    }


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
        normalisation: see `load_spec`.
        stem: see `load_spec`.
        device: where it computes.
        classes: how many outputs it has to have.

    Raises:
        InputError: it cannot be loaded, or does not go with images and classes.
    """
    spec, checkpoint = split_spec(item, ARGUMENT)
    try:
        classifier = load_spec(
            spec, checkpoint, normalisation=normalisation, stem=stem, device=device
        )
        found = check_images(classifier, images.shape, len(images.class_names), images.class_names)
    except InputError as error:
        raise InputError(f"{ARGUMENT}: {item}: {error}") from error
    if found != classes:
        raise InputError(f"{ARGUMENT}: {item} has {found} classes, expected {classes}.")
    return classifier
