"""Layers of a network by name: listed, captured with an early stop, and replaced.

A layer is a dotted module name as `named_modules()` gives it, in a classifier that of its network
(`layer4.1`); `input` is the image itself, before normalisation. A module that a forward pass uses
several times is several layers: `relu` is its first use, `relu:2` its second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import InputError, unknown_name
from core.models.classifier import Classifier, evaluating

INPUT = "input"


@dataclass(frozen=True)
class Layer:
    """One row of the table of layers.

    Attributes:
        name: as `capture` and `replacing` take it.
        type: the module's class.
        shape: the shape of its output for one example, without the batch; None where it gives no
            single tensor or is not reached by a forward pass.
        parameters: how many numbers are learnt in it and below it.
    """

    name: str
    type: str
    shape: tuple[int, ...] | None
    parameters: int


class _Reached(BaseException):
    """Ends a forward pass; no `except Exception` of a network may keep it."""


def layer_names(network: nn.Module) -> list[str]:
    """Return `input` and the names of all modules below the network, in the order of definition.

    >>> layer_names(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    ['input', '0', '1']
    """
    return [INPUT, *(name for name, _ in _inner(network).named_modules() if name)]


def layer_table(network: nn.Module, example: Tensor) -> list[Layer]:
    """Return name, type, output shape and size of every layer, in the order in which they finish.

    Args:
        network: a classifier or any other module.
        example: a batch of images; one will do.

    Modules used several times have a row per use; those that one forward pass, in eval mode, does
    not reach come last. Costs that one pass.

    >>> for layer in layer_table(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.zeros(1, 2)):
    ...     print(layer.name, layer.type, layer.shape, layer.parameters)
    input Tensor (2,) 0
    0 Linear (3,) 9
    1 ReLU (3,) 0
    """
    rows = [Layer(INPUT, type(example).__name__, tuple(example.shape[1:]), 0)]
    modules = {name: module for name, module in _inner(network).named_modules() if name}
    uses = dict.fromkeys(modules, 0)

    def note(name: str, output: Any) -> None:
        uses[name] += 1
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else None
        called = name if uses[name] == 1 else f"{name}:{uses[name]}"
        rows.append(_row(called, modules[name], shape))

    with ExitStack() as hooks, torch.no_grad(), evaluating(network):
        for name, module in modules.items():
            _hook(hooks, module, partial(note, name))
        network(example)
    return rows + [_row(n, m, None) for n, m in modules.items() if uses[n] == 0]


def resolve_layer(network: nn.Module, name: str) -> str:
    """Return the name of a layer as `layer_table` spells it, after making sure that it exists.

    >>> resolve_layer(nn.Sequential(nn.ReLU()), "0:1")
    '0'

    Raises:
        InputError: with the nearest names, where there is no such layer.
    """
    if name == INPUT:
        return INPUT
    _, base, use = _find(network, name)
    return base if use == 1 else f"{base}:{use}"


def layer_module(network: nn.Module, name: str) -> nn.Module:
    """Return the module that computes a layer.

    Raises:
        InputError: where there is no such layer, and for `input`, which no module computes.
    """
    if name == INPUT:
        raise InputError("--layers: 'input' is the image itself; name a layer of the network.")
    return _find(network, name)[0]


def capture(network: nn.Module, layers: Sequence[str], images: Tensor) -> dict[str, Tensor]:
    """Return the outputs of the layers for a batch of images, by name in the order asked.

    The forward pass ends as soon as the last of them is known: what lies deeper is not computed.
    The outputs are safe from operations in place further on, and stay in the graph of gradients,
    where those are on: a deeper output can be differentiated by a shallower one. Mode and gradients
    are the caller's choice; the network is left without hooks, also after an exception.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True))
    >>> capture(net, ["0"], torch.ones(4, 2))["0"].shape
    torch.Size([4, 3])

    Raises:
        InputError: for a layer that does not exist, is not reached, or gives no single tensor.
    """
    return _captured(network, layers, images, early=True)[0]


def capture_all(
    network: nn.Module, layers: Sequence[str], images: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the outputs of the layers, as `capture` does, and that of the whole network.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> found, output = capture_all(net, ["0"], torch.ones(4, 2))
    >>> torch.equal(output, found["0"].relu())
    True
    """
    found, output = _captured(network, layers, images, early=False)
    return found, _single("the network", output)


def _captured(
    network: nn.Module, layers: Sequence[str], images: Tensor, *, early: bool
) -> tuple[dict[str, Tensor], Any]:
    """Return outputs by name, and the network's own; None if the pass was ended early."""
    names = [layers] if isinstance(layers, str) else list(dict.fromkeys(layers))
    found: dict[str, Tensor] = {INPUT: images} if INPUT in names else {}
    waiting = [name for name in names if name != INPUT]
    output: Any = None

    def keep(name: str, output: Any) -> Tensor:
        found[name] = _single(name, output)
        if early and len(found) == len(names):
            raise _Reached
        # Going on with a copy keeps what was captured as it is when the next operation is in place.
        return found[name].clone()

    with ExitStack() as hooks:
        for name in waiting:
            module, _, use = _find(network, name)
            _hook(hooks, module, partial(keep, name), _inner(network), use)
        if waiting or not early:
            try:
                output = network(images)
            except _Reached:
                pass
            else:
                if missing := [name for name in names if name not in found]:
                    raise _unreached(missing)
    return {name: found[name] for name in names}, output


@contextmanager
def replacing(
    network: nn.Module, layer: str, function: Callable[[Tensor], Tensor]
) -> Iterator[None]:
    """Let every forward pass inside the `with` block go on with `function(output)` of a layer.

    For `input` it is the images that the function is given. `capture` inside the block sees what
    the function returned.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with replacing(net, "1", torch.zeros_like):
    ...     net(torch.ones(1, 2)).tolist()
    [[0.0, 0.0, 0.0]]

    Raises:
        InputError: for a layer that does not exist or gives no single tensor.
    """

    def replace(output: Any) -> Tensor:
        return function(_single(layer, output))

    with ExitStack() as hooks:
        if layer == INPUT:
            handle = network.register_forward_pre_hook(lambda _, given: (replace(given[0]),))
            hooks.callback(handle.remove)
        else:
            module, _, use = _find(network, layer)
            _hook(hooks, module, replace, _inner(network), use)
        yield


def _hook(
    hooks: ExitStack,
    module: nn.Module,
    action: Callable[[Any], Any],
    network: nn.Module | None = None,
    use: int | None = None,
) -> None:
    """Call the action with the module's output at each use, or at one use of each forward pass."""
    count = 0

    def restart(*_: Any) -> None:
        nonlocal count
        count = 0

    def act(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        nonlocal count
        count += 1
        return action(output) if use in (None, count) else None

    if network is not None:
        hooks.callback(network.register_forward_pre_hook(restart).remove)
    hooks.callback(module.register_forward_hook(act).remove)


def _inner(network: nn.Module) -> nn.Module:
    return network.network if isinstance(network, Classifier) else network


def _find(network: nn.Module, name: str) -> tuple[nn.Module, str, int]:
    """Return the module, its own name and the use of it that a layer's name means."""
    modules = dict(_inner(network).named_modules())
    modules.pop("", None)
    if name in modules:
        return modules[name], name, 1
    base, _, use = name.rpartition(":")
    if base in modules and use.isdecimal() and int(use) > 0:
        return modules[base], base, int(use)
    raise unknown_name("--layers", name, [INPUT, *modules])


def _single(name: str, output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    raise InputError(
        f"--layers: {name} gives a {type(output).__name__}, not one tensor; "
        "choose a layer inside or after it."
    )


def _unreached(names: Iterable[str]) -> InputError:
    return InputError(
        f"--layers: a forward pass does not reach {', '.join(names)}; "
        "layer_table lists those that it does."
    )


def _row(name: str, module: nn.Module, shape: tuple[int, ...] | None) -> Layer:
    return Layer(name, type(module).__name__, shape, sum(p.numel() for p in module.parameters()))
