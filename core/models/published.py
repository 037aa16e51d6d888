"""Published architectures by name, from torchvision and timm, always without published weights."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from torch import nn

from core.errors import InputError, unknown_name
from core.models.normalisation import Normalisation
from core.vision import torchvision

# Where the family's first convolution is and, if there is one, the max-pool of its stem.
_STEMS: dict[str, tuple[str, str | None]] = {
    "ResNet": ("conv1", "maxpool"),
    "DenseNet": ("features.conv0", "features.pool0"),
    "ShuffleNetV2": ("conv1.0", "maxpool"),
    "GoogLeNet": ("conv1.conv", "maxpool1"),
    "SqueezeNet": ("features.0", "features.2"),
    "MobileNetV2": ("features.0.0", None),
    "MobileNetV3": ("features.0.0", None),
    "EfficientNet": ("features.0.0", None),
    "MNASNet": ("layers.0", None),
    "RegNet": ("stem.0", None),
}
STEM_FAMILIES = ", ".join(_STEMS)


@cache
def torchvision_names() -> tuple[str, ...]:
    """Return the names of torchvision's classification models, without loading any."""
    models = torchvision().models
    return tuple(models.list_models(module=models))


def torchvision_network(
    name: str, *, num_classes: int | None, stem: str | None, in_channels: int | None
) -> nn.Module:
    """Return an untrained torchvision classification model.

    GoogLeNet and Inception come without their auxiliary heads, which serve training alone, and
    without `transform_input`: their published weights want a mean and a deviation of 0.5.
    """
    builder = torchvision().models.get_model_builder(name)
    options: dict[str, object] = {} if num_classes is None else {"num_classes": num_classes}
    if name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    network = builder(weights=None, **options)
    if stem == "small":
        _make_stem_small(network, name)
    if in_channels is not None:
        _take_channels(network, in_channels)
    return network


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d] | None:
    """Return name and module of the convolution that is registered first."""
    found = ((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d))
    return next(found, None)


def _make_stem_small(network: nn.Module, name: str) -> None:
    """Give the network a first convolution of 3 x 3 with stride 1, and no max-pool in its stem."""
    family = type(network).__name__
    if family not in _STEMS:
        raise InputError(
            f"--stem: 'small' is not defined for {name}; it is for the families {STEM_FAMILIES}."
        )
    convolution, pool = _STEMS[family]
    _replace_convolution(network, convolution, kernel_size=3, stride=1, padding=1)
    if pool is not None:
        network.set_submodule(pool, nn.Identity())


def _take_channels(network: nn.Module, channels: int) -> None:
    found = first_convolution(network)
    if found is not None and found[1].in_channels != channels:
        _replace_convolution(network, found[0], in_channels=channels)


def _replace_convolution(network: nn.Module, name: str, **changes: int) -> None:
    old = network.get_submodule(name)
    assert isinstance(old, nn.Conv2d)
    kept = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
    options = {key: getattr(old, key) for key in kept} | {"bias": old.bias is not None} | changes
    new = nn.Conv2d(**options).to(device=old.weight.device, dtype=old.weight.dtype)
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    network.set_submodule(name, new)


def timm_network(
    name: str, *, num_classes: int | None, stem: str | None, in_channels: int | None
) -> nn.Module:
    """Return an untrained timm model."""
    timm = _timm()
    if stem is not None:
        raise InputError(
            f"--stem: 'small' is not defined for timm/{name}; it is for torchvision's families "
            f"{STEM_FAMILIES}."
        )
    if not timm.is_model(name):
        raise unknown_name("--model", f"timm/{name}", (f"timm/{n}" for n in timm.list_models()))
    options = {"num_classes": num_classes, "in_chans": in_channels}
    given = {key: value for key, value in options.items() if value is not None}
    return timm.create_model(name, pretrained=False, **given)


def timm_normalisation(network: nn.Module) -> Normalisation | None:
    """Return the normalisation that timm publishes with an architecture."""
    published = getattr(network, "pretrained_cfg", None) or {}
    if "mean" not in published or "std" not in published:
        return None
    return Normalisation(tuple(published["mean"]), tuple(published["std"]))


def _timm() -> ModuleType:
    torchvision()
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise InputError(
            "--model: timm/NAME needs the package timm, which is not installed; "
            "install it with: pip install 'inputscape[timm]'."
        ) from None
    return timm
