"""Classifiers in an option that takes several: each is written `SPEC[@CHECKPOINT]`."""

from __future__ import annotations

from core.errors import InputError
from core.models import Classifier, load_classifier
from core.models.checkpoints import read_checkpoint
from core.models.sources import kind_of


def split_spec(item: str, argument: str, form: str = "SPEC[@CHECKPOINT]") -> tuple[str, str | None]:
    """Return the spec, and the checkpoint or None.

    Args:
        item: what the option holds.
        argument: the option, for the message.
        form: how an item is written, for the message.

    Raises:
        InputError: there is nothing before the `@`, or nothing after it.

    >>> split_spec("resnet18@net.safetensors", "--others"), split_spec("digits_mlp", "--others")
    (('resnet18', 'net.safetensors'), ('digits_mlp', None))
    """
    spec, at, checkpoint = item.partition("@")
    if not spec or (at and not checkpoint):
        raise InputError(f"{argument}: found {item!r}, expected {form}.")
    return spec, checkpoint or None


def load_spec(
    spec: str,
    checkpoint: str | None,
    *,
    normalisation: str | None,
    stem: str | None,
    device: str,
) -> Classifier:
    """Load a classifier; what its checkpoint says of itself goes before normalisation and stem.

    They are those of all classifiers of the option: a built-in's own weights settle its
    normalisation, and only published networks have a stem to choose. Arguments and errors are those
    of `core.load_classifier`.
    """
    kind = kind_of(spec)
    silent = checkpoint is None or read_checkpoint(checkpoint).record is None
    settled = checkpoint is None and kind == "built-in"
    return load_classifier(
        spec,
        checkpoint=checkpoint,
        normalisation=normalisation if silent and not settled else None,
        stem=stem if silent and kind in ("torchvision", "timm") else None,
        device=device,
    )
