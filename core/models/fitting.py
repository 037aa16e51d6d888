"""Weights made to fit a network: usual wrappings undone, and a misfit told in one sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from core.errors import InputError

log = logging.getLogger("inputscape")

# Entries under which training programs keep a network's weights, and prefixes that wrappers add.
_ENTRIES = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "classifier",
    "module",
    "weights",
    "params",
    "ema",
    "model_ema",
    "ema_state_dict",
    "state_dict_ema",
    "params_ema",
)
_PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
_COMPILED = "_orig_mod."

# Heads that serve training alone; the networks are built without them.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


@dataclass(frozen=True)
class Weights:
    """Named tensors taken out of a checkpoint, and how: entries opened, prefixes removed."""

    tensors: dict[str, Tensor]
    entries: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    aside: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        told = []
        if self.entries:
            told.append(f"took the entry {' > '.join(map(repr, self.entries))}")
        if self.prefixes:
            told.append(f"removed the prefix {' and '.join(map(repr, self.prefixes))}")
        if self.aside:
            told.append(f"left aside {_few(self.aside)}")
        return ", ".join(told)


def unwrap(content: Any, network: nn.Module, path: str | PathLike[str]) -> Weights:
    """Return the weights in a checkpoint's content whose names fit the network best.

    Entries such as `state_dict` or `ema` are opened, nested ones too, and prefixes such as
    `module.` and `_orig_mod.` removed in any order, but only where more names fit that way; the
    first found wins among equals. What was undone is logged at level info to `inputscape`.

    Raises:
        InputError: where the content holds no named tensors at all.
    """
    expected = set(network.state_dict())
    found = [
        _without_prefixes(Weights(tensors, entries), expected)
        for entries, tensors in _tables(content)
    ]
    if not found:
        keys = ""
        if isinstance(content, Mapping):
            keys = f" with the entries {_few(tuple(map(str, content)))}"
        raise InputError(
            f"--checkpoint: {path} holds a {type(content).__name__}{keys}; "
            "expected named tensors, as network.state_dict() gives them."
        )
    fits = [_fit(weights.tensors, expected) for weights in found]
    most = max(fits)
    if most == 0:
        best = max(found, key=lambda weights: len(weights.tensors))
    else:
        best = found[fits.index(most)]
    others = [" > ".join(w.entries) for w, fit in zip(found, fits, strict=True) if fit == most > 0]
    if str(best):
        log.info("--checkpoint: %s: %s", path, best)
    if len(others) > 1:
        log.info("--checkpoint: %s: as fitting, and not used: %s", path, ", ".join(others[1:]))
    return best


def load_weights(
    network: nn.Module, weights: Weights, path: str | PathLike[str], spec: str
) -> None:
    """Copy the weights into the network; their types are cast to the network's.

    Raises:
        InputError: naming missing and unexpected tensors, and those of another shape.
    """
    wanted = network.state_dict()
    given = weights.tensors
    missing = [n for n in wanted if n not in given and not n.endswith("num_batches_tracked")]
    unexpected = [n for n in given if n not in wanted]
    reshaped = [
        f"{n} {tuple(given[n].shape)} instead of {tuple(wanted[n].shape)}"
        for n in wanted
        if n in given and not is_lazy(wanted[n]) and given[n].shape != wanted[n].shape
    ]
    misfits = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    if any(misfits.values()):
        told = "; ".join(f"{what}: {_few(names)}" for what, names in misfits.items() if names)
        raise InputError(f"--checkpoint: {path} does not fit {spec}: {told}.")
    network.load_state_dict(given, strict=False)


def require_finite(network: nn.Module, where: str) -> None:
    """Raise InputError naming the first tensor of the network with values that are not finite."""
    buffers = dict(network.named_buffers())
    for name, tensor in network.state_dict().items():
        if is_lazy(tensor):
            raise InputError(
                f"{where}: {name} has no size yet; run the network once where it is made, or give "
                "a checkpoint."
            )
        wrong = ~tensor.isfinite()
        if name in buffers and "running_" not in name:
            wrong = tensor.isnan()  # an attention keeps -inf in its mask
        if count := int(wrong.sum()):
            raise InputError(
                f"{where}: {count} of the {tensor.numel()} values of {name} are not finite."
            )


def _tables(
    content: Any, entries: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Yield the tables of named tensors in a content, outermost first."""
    if not isinstance(content, Mapping):
        return
    tensors = {n: v for n, v in content.items() if isinstance(n, str) and isinstance(v, Tensor)}
    if tensors:
        yield entries, tensors
    for entry in _ENTRIES:
        yield from _tables(content.get(entry), (*entries, entry))


def _without_prefixes(weights: Weights, expected: set[str]) -> Weights:
    """Remove prefixes one after the other, as long as some order of that makes more names fit."""
    best, seen, waiting = weights, {weights.prefixes}, [weights]
    while waiting and not expected <= set(best.tensors):
        current = waiting.pop(0)
        for prefix in _PREFIXES:
            shorter = _without(prefix, current, expected)
            if shorter is None or len(shorter.prefixes) > 5 or shorter.prefixes in seen:
                continue
            seen.add(shorter.prefixes)
            waiting.append(shorter)
            if _fit(shorter.tensors, expected) > _fit(best.tensors, expected):
                best = shorter
    return _set_aside(best, expected)


def _without(prefix: str, weights: Weights, expected: set[str]) -> Weights | None:
    """Remove one prefix; what lacks it and is not the network's is set aside."""
    anywhere = prefix == _COMPILED
    marked = [n for n in weights.tensors if n.startswith(prefix) or (anywhere and prefix in n)]
    if not marked:
        return None
    tensors = {
        (n.replace(prefix, "") if anywhere else n.removeprefix(prefix)): weights.tensors[n]
        for n in marked
    }
    others = {n: v for n, v in weights.tensors.items() if n not in set(marked)}
    kept = {n: v for n, v in others.items() if anywhere or n in expected}
    tensors = kept | tensors
    aside = tuple(n for n in others if n not in tensors)
    return Weights(tensors, weights.entries, (*weights.prefixes, prefix), weights.aside + aside)


def _set_aside(weights: Weights, expected: set[str]) -> Weights:
    extra = tuple(n for n in weights.tensors if n.startswith(_AUXILIARY) and n not in expected)
    kept = {n: v for n, v in weights.tensors.items() if n not in extra}
    return Weights(kept, weights.entries, weights.prefixes, weights.aside + extra)


def _fit(tensors: Mapping[str, Tensor], expected: set[str]) -> int:
    return len(expected & tensors.keys())


def _few(names: list[str] | tuple[str, ...], most: int = 4) -> str:
    """Name the first few, and how many there are in all."""
    more = f", ... ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more
