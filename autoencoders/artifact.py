"""An autoencoder as a file: weights and, in its metadata, what it is and of which layer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save

from autoencoders.designs import Design
from autoencoders.model import Autoencoder
from core.data import ImageSet
from core.errors import InputError
from core.files import atomic_file
from core.models import Classifier, fingerprint
from core.representations import Moments

KEY = "inputscape"
KIND = "autoencoder"


@dataclass(frozen=True)
class Origin:
    """Of what an autoencoder is: the layer and form of a classifier's representations.

    Attributes:
        layer: its name.
        form: see `core.representations.forms`.
        classifier: the classifier's fingerprint.
        model: what the classifier is, in the words of `--model`.
        images: the fingerprint of the images it was trained on.
    """

    layer: str
    form: str
    classifier: str
    model: str
    images: str

    @staticmethod
    def of(classifier: Classifier, layer: str, images: ImageSet, form: str = "whole") -> Origin:
        """Return the origin of an autoencoder of a classifier's layer, trained on these images."""
        return Origin(layer, form, fingerprint(classifier), classifier.spec, images.fingerprint)


def save_autoencoder(path: str | Path, autoencoder: Autoencoder, origin: Origin) -> Path:
    """Write an autoencoder as safetensors, atomically, and return the path.

    Raises:
        InputError: the disk is full.
    """
    about = {
        "kind": KIND,
        "design": autoencoder.design.plain(),
        "shape": list(autoencoder.shape),
        "origin": vars(origin),
    }
    tensors = {k: v.detach().cpu().contiguous() for k, v in autoencoder.state_dict().items()}
    content = save(tensors, {KEY: json.dumps(about)})
    path = Path(path)
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
    return path


def load_autoencoder(
    path: str | Path, device: str | torch.device = "cpu"
) -> tuple[Autoencoder, Origin]:
    """Return the autoencoder of a file, frozen and in eval mode, and of what it is.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    about, tensors = _read(Path(path))
    try:
        design = Design.of(about["design"])
        shape, origin = tuple(about["shape"]), Origin(**about["origin"])
    except (KeyError, TypeError) as error:
        raise InputError(f"--autoencoder: {path} is not an autoencoder ({error}).") from error
    with torch.random.fork_rng(devices=[]):  # whose first weights are drawn, and overwritten
        autoencoder = Autoencoder(design, Moments(1, np.zeros(shape), np.ones(shape)))
    try:
        autoencoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"--autoencoder: {path} has other weights than it says.") from error
    return autoencoder.to(device).eval().requires_grad_(False), origin


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    if not path.is_file():
        raise InputError(f"--autoencoder: {path} does not exist.")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get(KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:
        raise InputError(f"--autoencoder: {path} is not a safetensors file ({error}).") from error
    if about.get("kind") != KIND:
        raise InputError(f"--autoencoder: {path} holds no autoencoder.")
    return about, tensors
