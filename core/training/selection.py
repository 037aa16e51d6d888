"""Which part of a classifier is trained; the rest stays exactly as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from core.errors import InputError
from core.layers import resolve_layer
from core.models import Classifier, evaluating


@contextmanager
def trained_parameters(
    classifier: Classifier, layers: Sequence[str] = ()
) -> Iterator[list[nn.Parameter]]:
    """Put the named layers, or all, into training mode and yield their parameters.

    Other layers are frozen and in eval mode, so that the running statistics of their batch
    normalisation stay as they are too. Afterwards every mode and flag is what it was before.

    Raises:
        InputError: a layer is unknown or has no parameters.
    """
    network = classifier.network
    chosen = [_trainable(_module(network, name), f"--layers: {name}") for name in layers]
    chosen = chosen or [_trainable(network, f"--model: {classifier.spec}")]
    with evaluating(classifier):
        for module in chosen:
            module.train()
            for parameter in module.parameters():
                parameter.requires_grad_(True)
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        try:
            yield trained
        finally:
            for parameter in trained:
                parameter.grad = None


def _module(network: nn.Module, name: str) -> nn.Module | None:
    """Return the module of a layer, whichever of its uses is named; None for `input`."""
    found = resolve_layer(network, name)
    return None if found == "input" else network.get_submodule(found.partition(":")[0])


def _trainable(module: nn.Module | None, named: str) -> nn.Module:
    if module is None or next(module.parameters(), None) is None:
        raise InputError(f"{named} has no parameters to train.")
    return module
