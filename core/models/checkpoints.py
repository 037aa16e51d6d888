"""Checkpoint files: weights read without unpickling, and what our own say about themselves."""

from __future__ import annotations

import json
import os
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from core.errors import InputError
from core.files import atomic_file
from core.models.files import readable_file
from core.models.normalisation import Normalisation, parse_normalisation

_KEY = "inputscape"


@dataclass(frozen=True)
class Record:
    """What a checkpoint of ours says about the classifier that it holds."""

    spec: str
    num_classes: int | None = None
    normalisation: Normalisation | None = None
    class_names: tuple[str, ...] | None = None
    stem: str | None = None
    in_channels: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read: its content, still wrapped, and its record if it carries one."""

    path: Path
    content: Any
    record: Record | None


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint: safetensors by its suffix, anything else as `torch.save` wrote it.

    Nothing is ever unpickled beyond tensors and plain containers (`weights_only=True`).

    Raises:
        InputError: for a missing, empty, truncated or foreign file, and for pickled objects.
    """
    found = readable_file("--checkpoint", path)
    if found.suffix == ".safetensors":
        return _read_safetensors(found)
    try:
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(found, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unreadable(found, error) from error
    return Checkpoint(found, content, None)


def save_checkpoint(
    path: str | os.PathLike[str],
    network: nn.Module,
    *,
    spec: str,
    num_classes: int | None,
    normalisation: Normalisation | None = None,
    class_names: Sequence[str] | None = None,
    stem: str | None = None,
    in_channels: int | None = None,
) -> Path:
    """Write a network's weights as safetensors that `load_classifier` needs no option for.

    The file appears whole or not at all. Shared tensors are written once per name.

    Raises:
        InputError: where it cannot be written, as on a full disk.
    """
    record = {
        "spec": spec,
        "num_classes": num_classes,
        "normalisation": None if normalisation is None else str(normalisation),
        "class_names": None if class_names is None else list(class_names),
        "stem": stem,
        "in_channels": in_channels,
    }
    tensors = {
        name: value.detach().cpu().clone().contiguous()
        for name, value in network.state_dict().items()
    }
    target = Path(path)
    try:
        with atomic_file(target) as unfinished:
            save_file(tensors, unfinished, metadata={_KEY: json.dumps(record)})
    except (OSError, SafetensorError) as error:
        raise InputError(f"--out: {target} cannot be written: {error}.") from error
    return target


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"--checkpoint: {path} is not a whole safetensors file: {error}."
        ) from error
    record = _record(path, metadata[_KEY]) if _KEY in metadata else None
    return Checkpoint(path, content, record)


def _record(path: Path, text: str) -> Record:
    try:
        found: Mapping[str, Any] = json.loads(text)
        names = found.get("class_names")
        normalisation = found.get("normalisation")
        if isinstance(normalisation, Mapping):
            normalisation = Normalisation(
                tuple(map(float, normalisation["mean"])), tuple(map(float, normalisation["std"]))
            )
        return Record(
            spec=found["spec"],
            num_classes=found.get("num_classes"),
            normalisation=parse_normalisation(normalisation),
            class_names=None if names is None else tuple(names),
            stem=found.get("stem"),
            in_channels=found.get("in_channels"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"--checkpoint: {path} carries metadata under {_KEY!r} that cannot be read: {error!r}."
        ) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    """Tell a pickle of objects from a damaged file and from one that is none of torch's."""
    with path.open("rb") as file:
        start = file.read(2)
    if isinstance(error, pickle.UnpicklingError) and (start[:1] == b"\x80" or start == b"PK"):
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        holding = f" (it holds {named[1]})" if named else ""
        return InputError(
            f"--checkpoint: {path} is a pickle of Python objects where weights are expected"
            f"{holding}, and is never loaded, since that could run code; where you trust it, "
            "convert it once with torch.save(network.state_dict(), 'weights.pt')."
        )
    if "TorchScript" in str(error):
        return InputError(
            f"--checkpoint: {path} is a TorchScript program where weights are expected; save its "
            "state_dict() with torch.save, or export the network as a .pt2 for --model."
        )
    if start in (b"PK", b"\x80\x02"):
        return InputError(f"--checkpoint: {path} is damaged or was not written to its end.")
    return InputError(
        f"--checkpoint: {path} is neither a safetensors file nor one that torch.save wrote."
    )
