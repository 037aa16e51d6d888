"""A classifier: a network together with what its images and classes are."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from core.errors import InputError
from core.models.normalisation import Normalisation


class Classifier(nn.Module):
    """Maps images `(n, c, h, w)` with values in [0, 1] to logits `(n, k)`.

    Args:
        network: maps normalised images to logits.
        spec: what the network is, in the words of `load_classifier`.
        normalisation: applied to the images first; None leaves them as they are.
        class_names: one name per output, in the order of the outputs.
        num_classes: the number of outputs, where it is known beforehand.
        stem: `"small"` where the network's stem was adapted to small images.
        in_channels: the channels that the network takes, where they are known beforehand.

    Attributes:
        channels: the channels that images must have; None where neither the network nor the
            normalisation tells.

    Raises:
        InputError: on a call with images of another rank, type or number of channels, and when
            the parts do not fit together.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        spec: str,
        normalisation: Normalisation | None = None,
        class_names: Sequence[str] | None = None,
        num_classes: int | None = None,
        stem: str | None = None,
        in_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.normalisation = normalisation
        self.class_names = None if class_names is None else tuple(map(str, class_names))
        self.num_classes = num_classes
        self.stem = stem
        wanted = None if normalisation is None else normalisation.channels
        if wanted is not None and in_channels is not None and wanted != in_channels:
            raise InputError(
                f"--normalisation: '{normalisation}' is for {wanted} channels, but {spec} takes "
                f"images with {in_channels}."
            )
        names = self.class_names
        if names is not None and num_classes is not None and len(names) != num_classes:
            raise InputError(
                f"--class_names: {len(names)} names for the {num_classes} outputs of {spec}."
            )
        self.channels = in_channels if wanted is None else wanted
        applied = Normalisation((0.0,), (1.0,)) if normalisation is None else normalisation
        for name, values in (("mean", applied.mean), ("std", applied.std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(n, k)` of images `(n, c, h, w)`."""
        if (
            images.dim() != 4
            or not images.is_floating_point()
            or (self.channels is not None and images.shape[1] != self.channels)
        ):
            means = len(self.normalisation.mean) if self.normalisation is not None else 1
            by = f" (--normalisation {self.normalisation} has {means} channels)" * (means > 1)
            raise InputError(
                f"images: found {images.dtype} of shape {tuple(images.shape)}; {self.spec} takes "
                f"floating-point numbers in [0, 1] of shape (n, {self.channels or 'c'}, h, w){by}."
            )
        if self.normalisation is not None:
            images = (images - self.mean) / self.std
        return self.network(images)

    def extra_repr(self) -> str:
        """Name the spec and the normalisation in the module's `repr`."""
        return f"spec={self.spec!r}, normalisation={str(self.normalisation)!r}"


def fingerprint(classifier: Classifier) -> str:
    """Return what a classifier computes as a sha256 in hexadecimal digits.

    It covers the spec, the stem, the normalisation, and the name, type, shape and content of every
    parameter and buffer; it does not depend on the device, on class names or on where files lie.
    """
    network = classifier.network
    program = getattr(network, "digest", None)
    what = [program or classifier.spec, classifier.stem, str(classifier.normalisation)]
    hashed = hashlib.sha256(json.dumps(what).encode())
    for name, tensor in itertools.chain(
        network.named_parameters(remove_duplicate=False),
        network.named_buffers(remove_duplicate=False),
    ):
        _add_tensor(hashed, name, tensor)
    return hashed.hexdigest()


def weights_fingerprint(weights: Iterable[Mapping[str, torch.Tensor]]) -> str:
    """Return what a list of state dicts holds as a sha256 in hexadecimal digits.

    It covers the number of the state dicts and, of each in turn, the name, type, shape and content
    of every tensor; neither the order of the names nor the device matters.

    >>> one, other = {"bias": torch.zeros(2)}, {"bias": torch.ones(2)}
    >>> weights_fingerprint([one, other]) == weights_fingerprint([other, one])
    False
    """
    hashed = hashlib.sha256()
    for number, state in enumerate(weights):
        hashed.update(f"\0\0{number}".encode())
        for name in sorted(state):
            _add_tensor(hashed, name, state[name])
    return hashed.hexdigest()


def _add_tensor(hashed: hashlib._Hash, name: str, tensor: torch.Tensor) -> None:
    hashed.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    hashed.update(flat.view(torch.uint8).numpy().data)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Keep a module in eval mode and frozen inside the `with` block.

    Every submodule's mode and every parameter's `requires_grad` is afterwards what it was before,
    each for itself, also after an exception.

    >>> layer = nn.Dropout()
    >>> with evaluating(layer):
    ...     layer.training
    False
    >>> layer.training
    True
    """
    modes = [(part, part.training) for part in module.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    try:
        # The flags are set one by one: `train()` and `eval()` are overridden by some modules, and
        # an exported program refuses them.
        for part, _ in modes:
            part.training = False
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        yield
    finally:
        for part, mode in modes:
            part.training = mode
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
