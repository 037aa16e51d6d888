"""From a spec and a checkpoint to a classifier that is ready for use."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from core.errors import InputError
from core.models.checkpoints import Checkpoint, Record, read_checkpoint
from core.models.classifier import Classifier
from core.models.devices import resolve_device
from core.models.exported import ExportedNetwork
from core.models.factory import factory_needs, factory_takes
from core.models.fitting import Weights, load_weights, require_finite, unwrap
from core.models.normalisation import Normalisation, parse_normalisation
from core.models.published import first_convolution, timm_normalisation
from core.models.sources import Kind, build_network, kind_of

log = logging.getLogger("inputscape")


@dataclass(frozen=True)
class _Shape:
    """What of an architecture a checkpoint can settle."""

    num_classes: int | None
    stem: str | None
    in_channels: int | None


def load_classifier(
    spec: str = "digits_convnet",
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    normalisation: str | Normalisation | None = None,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    stem: str | None = None,
    in_channels: int | None = None,
    device: str | torch.device = "cpu",
) -> Classifier:
    """Return a classifier, frozen, in eval mode, on the device.

    Whatever is not given is taken from the checkpoint's own record, else from the shapes of its
    weights, else it is as published. Nothing is ever unpickled, no published weights are fetched,
    and the state of torch's random numbers stays as it was (a factory without a checkpoint always
    starts from seed 0, so that every process sees the same network).

    Args:
        spec: a built-in (`digits_convnet`, `digits_mlp`, `digits_residual`, `digits_patches`:
            trained on first use, in seconds), a torchvision classification model (`resnet18`),
            `timm/NAME`, `package.module:factory` (also from the current folder), or a
            `torch.export` program `net.pt2`.
        checkpoint: safetensors, or what `torch.save` wrote; usual wrappings are undone.
        normalisation: see `parse_normalisation`.
        num_classes: the number of outputs.
        class_names: their names, in order.
        stem: `small` for 3 x 3, stride 1 and no max-pool at the start (images of 32 to 64 pixels).
        in_channels: the channels of the images.
        device: see `resolve_device`.

    Raises:
        InputError: for anything that cannot be used, including an architecture without weights.
    """
    target = resolve_device(device)
    kind = kind_of(spec)
    if kind == "built-in" and checkpoint is None:
        checkpoint = importlib.import_module("core.training").embedded(spec)
    if kind in ("torchvision", "timm") and checkpoint is None:
        raise InputError(
            f"--model: {spec} is untrained; give its weights with --checkpoint, or train it with: "
            f"python -m core.train --model {spec}."
        )
    read = None if checkpoint is None else read_checkpoint(checkpoint)
    record = None if read is None else read.record
    if read is not None and record is not None:
        _agree("--model", spec, record.spec, read)
        num_classes = _agree("--num_classes", num_classes, record.num_classes, read)
        stem = _agree("--stem", stem, record.stem, read)
        in_channels = _agree("--in_channels", in_channels, record.in_channels, read)
    shape = _Shape(num_classes, stem, in_channels)
    with _own_random_numbers():
        network, shape = _network(spec, kind, shape, read, target)
    where = f"--model: {spec}" if read is None else f"--checkpoint: {read.path}"
    require_finite(network, where)
    classifier = Classifier(
        network,
        spec=spec,
        normalisation=_normalisation(spec, kind, normalisation, read, network),
        class_names=class_names
        if class_names is not None
        else getattr(record, "class_names", None),
        num_classes=shape.num_classes,
        stem=shape.stem,
        in_channels=shape.in_channels,
    )
    return classifier.to(target).eval().requires_grad_(False)


def _network(
    spec: str, kind: Kind, shape: _Shape, read: Checkpoint | None, device: torch.device
) -> tuple[nn.Module, _Shape]:
    """Return the network with its weights, and its shape as far as that is known."""
    if kind == "factory" and shape.num_classes is None and factory_needs(spec, "num_classes"):
        if read is None:
            raise InputError(f"--num_classes: {spec} needs it, and no checkpoint tells it.")
        trial_shape = replace(shape, num_classes=2)
    else:
        trial_shape = shape
    if read is None:
        network = _build(spec, shape, device)
        return network, _known(network, kind, shape)
    published = kind in ("torchvision", "built-in")
    trial = _outline(spec, trial_shape) if published else _build(spec, trial_shape, device)
    weights = unwrap(read.content, _named(trial), read.path)
    told = _told_by_weights(spec, kind, shape, trial, weights)
    if told != trial_shape:
        log.info("--checkpoint: %s tells %s", read.path, _difference(shape, told))
    network = _build(spec, told, device) if published or told != trial_shape else trial
    load_weights(_named(network), weights, read.path, spec)
    return network, _known(network, kind, told)


def _named(network: nn.Module) -> nn.Module:
    """Return the module whose names of tensors are those that the user's network had."""
    return network.program if isinstance(network, ExportedNetwork) else network


def _outline(spec: str, shape: _Shape) -> nn.Module:
    """Return a network of which only names and shapes are asked, without memory where possible."""
    cpu = torch.device("cpu")
    try:
        with torch.device("meta"):
            return _build(spec, shape, cpu)
    except NotImplementedError:  # RegNets compute their widths with tensors
        return _build(spec, shape, cpu)


def _build(spec: str, shape: _Shape, device: torch.device) -> nn.Module:
    return build_network(
        spec,
        num_classes=shape.num_classes,
        stem=shape.stem,
        in_channels=shape.in_channels,
        device=device,
    )


def _told_by_weights(
    spec: str, kind: Kind, shape: _Shape, trial: nn.Module, weights: Weights
) -> _Shape:
    """Complete what is not given from the shapes of the output layer and the first convolution."""
    settled = kind == "exported" or (kind == "factory" and not factory_takes(spec, "num_classes"))
    if shape.num_classes is None and not settled:
        head = _output_layer(trial)
        rows = weights.tensors.get(f"{head}.weight")
        if rows is not None and rows.dim() >= 2:
            shape = replace(shape, num_classes=int(rows.shape[0]))
    first = first_convolution(trial)
    if first is None or kind not in ("torchvision", "timm", "built-in"):
        return shape
    name, convolution = first
    kernel = weights.tensors.get(f"{name}.weight")
    if kernel is None or kernel.dim() != 4:
        return shape
    if shape.in_channels is None and convolution.groups == 1:
        shape = replace(shape, in_channels=int(kernel.shape[1]))
    small, here = tuple(kernel.shape[2:]) == (3, 3), convolution.kernel_size
    if kind == "torchvision" and shape.stem is None and small and here == (7, 7):
        shape = replace(shape, stem="small")
    return shape


def _output_layer(network: nn.Module) -> str:
    """Return the name of the layer that is registered last among those with a weight matrix."""
    names = [
        name
        for name, module in network.named_modules()
        if isinstance(weight := getattr(module, "weight", None), Tensor)
        and not is_lazy(weight)
        and weight.dim() >= 2
    ]
    return names[-1] if names else ""


def _known(network: nn.Module, kind: Kind, shape: _Shape) -> _Shape:
    """Add what the network itself tells for sure."""
    if isinstance(network, ExportedNetwork):
        return replace(shape, num_classes=network.outputs, in_channels=network.shape[1])
    if kind in ("torchvision", "timm", "built-in"):
        first = first_convolution(network)
        if first is not None:
            shape = replace(shape, in_channels=first[1].in_channels)
    return shape


def _normalisation(
    spec: str,
    kind: Kind,
    given: str | Normalisation | None,
    read: Checkpoint | None,
    network: nn.Module,
) -> Normalisation | None:
    chosen = parse_normalisation(given)
    record: Record | None = None if read is None else read.record
    if read is not None and record is not None:
        if given is not None and chosen != record.normalisation:
            raise _contradiction("--normalisation", str(chosen), str(record.normalisation), read)
        return record.normalisation
    if given is not None:
        return chosen
    published = timm_normalisation(network) if kind == "timm" else None
    if published is not None:
        log.info("--normalisation: %s, as timm publishes it for %s", published, spec)
    else:
        level = logging.WARNING if kind in ("torchvision", "timm") else logging.INFO
        log.log(level, "--normalisation: none is recorded for %s, so images stay in [0, 1]", spec)
    return published


def _agree(option: str, given: Any, recorded: Any, read: Checkpoint) -> Any:
    """Return what is given or else recorded; InputError where the two contradict one another."""
    if given is not None and given != recorded and (recorded is not None or option == "--stem"):
        raise _contradiction(option, given, recorded, read)
    return recorded if given is None else given


def _contradiction(option: str, given: Any, recorded: Any, read: Checkpoint) -> InputError:
    return InputError(
        f"{option}: found {given}, but the checkpoint {read.path} was written with {recorded}; "
        f"leave {option} out or give {recorded}."
    )


def _difference(before: _Shape, after: _Shape) -> str:
    return ", ".join(
        f"{name}={getattr(after, name)}"
        for name in ("num_classes", "stem", "in_channels")
        if getattr(before, name) != getattr(after, name)
    )


@contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Draw initial weights from seed 0 and leave torch's global state on the CPU as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        yield
