"""What a spec names, and the network behind it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from core.errors import InputError, unknown_name
from core.models.builtin import BUILT_IN
from core.models.exported import exported_network
from core.models.factory import factory_network
from core.models.published import timm_network, torchvision_names, torchvision_network

Kind = Literal["built-in", "torchvision", "timm", "factory", "exported"]

_FORMS = "Besides: timm/NAME, package.module:factory, or the path of a torch.export program .pt2."


def model_names() -> tuple[str, ...]:
    """Return the specs that are plain names: the built-ins, then torchvision's classifiers."""
    return (*BUILT_IN, *torchvision_names())


def kind_of(spec: str) -> Kind:
    """Tell what sort of network a spec names; InputError where it names none."""
    if spec.endswith(".pt2"):
        return "exported"
    if spec.startswith("timm/"):
        return "timm"
    if ":" in spec:
        return "factory"
    if spec in BUILT_IN:
        return "built-in"
    if spec in torchvision_names():
        return "torchvision"
    raise unknown_name("--model", spec, model_names(), hint=_FORMS)


def build_network(
    spec: str,
    *,
    num_classes: int | None,
    stem: str | None = None,
    in_channels: int | None = None,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """Return the network of a spec, untrained unless it brings its own weights.

    Args:
        spec: see `load_classifier`.
        num_classes: the number of outputs; None leaves the architecture's own.
        stem: None for the stem as published, `small` for a first convolution of 3 x 3 with stride
            1 and no max-pool, for images of 32 to 64 pixels.
        in_channels: the channels of the images; None leaves the architecture's own (1 for the
            built-ins, 3 for the published ones).
        device: the device that an exported program is made for.

    Raises:
        InputError: for an unknown spec, for a stem where none is defined, for a failing factory.
    """
    kind = kind_of(spec)
    if stem not in (None, "small"):
        raise unknown_name("--stem", str(stem), ["small"])
    if stem is not None and kind not in ("torchvision", "timm"):
        raise InputError(
            f"--stem: {stem!r} is not defined for {spec}; it is for torchvision architectures."
        )
    if num_classes is not None and num_classes < 2:
        raise InputError(f"--num_classes: found {num_classes}; expected 2 or more.")
    if kind == "built-in":
        given = {"num_classes": num_classes, "in_channels": in_channels}
        return BUILT_IN[spec](**{k: v for k, v in given.items() if v is not None})
    if kind == "exported":
        return exported_network(spec, device)
    if kind == "factory":
        return factory_network(spec, num_classes=num_classes, in_channels=in_channels)
    build, name = (torchvision_network, spec) if kind == "torchvision" else (timm_network, spec[5:])
    return build(name, num_classes=num_classes, stem=stem, in_channels=in_channels)
