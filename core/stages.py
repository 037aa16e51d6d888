"""A few layers of any network at which its representations are worth a look."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.layers import Layer, layer_module, layer_table
from core.models import evaluating


def stage_layers(classifier: nn.Module, example: Tensor, count: int = 3) -> tuple[str, ...]:
    """Return the names of layers that end stages of a network, from shallow to deep.

    A stage begins with each part of the network that has matrices or filters, and takes in what
    follows: normalisation, activation, pooling. The last one gives the logits and does not count.
    While there are fewer than are asked for, the part with the most parameters is opened. Of more,
    those at equal distances are taken, the deepest among them: what the last layer reads.

    Args:
        classifier: images to logits.
        example: a batch of images; one will do.
        count: at most so many layers.

    Cost: one forward pass.

    >>> net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3))
    >>> stage_layers(net, torch.zeros(1, 2))
    ('1', '3')
    """
    with torch.no_grad(), evaluating(classifier):
        table = layer_table(classifier, example[:1])[1:]
    parents = {_parent(layer) for layer in table}
    opened = {""}
    while True:
        stages = _stages(classifier, [layer for layer in table if _parent(layer) in opened], opened)
        closed = [
            layer for layer in table if _parent(layer) in opened and layer.name in parents - opened
        ]
        if len(stages) >= count or not closed:
            break
        opened.add(max(closed, key=lambda layer: layer.parameters).name)
    if len(stages) <= count:
        return tuple(stages)
    places = [round(len(stages) * (i + 1) / count) - 1 for i in range(count)]
    return tuple(stages[place] for place in places)


def _parent(layer: Layer) -> str:
    return layer.name.rpartition(".")[0]


def _stages(classifier: nn.Module, shown: list[Layer], opened: set[str]) -> list[str]:
    """Return the layer before each one that has matrices or filters, but for the first."""
    ends: list[str] = []
    before: Layer | None = None
    begun = False
    for layer in shown:
        if layer.name in opened or layer.shape is None:
            continue
        module = layer_module(classifier, layer.name)
        if any(weight.ndim > 1 for weight in module.parameters()):
            if begun and before is not None:
                ends.append(before.name)
            begun = True
        before = layer
    return ends
