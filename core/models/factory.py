"""A user's own network, made by a function or class that is named `package.module:factory`."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from torch import nn

from core.errors import InputError, unknown_name

_T = TypeVar("_T")


def factory_network(
    spec: str, *, num_classes: int | None = None, in_channels: int | None = None
) -> nn.Module:
    """Return the network that the factory makes; its module may lie in the current folder.

    `num_classes` and `in_channels` are passed where they are given and the factory takes them.

    Raises:
        InputError: where the factory is not found, fails, needs other arguments, or returns
            something else than a network.
    """
    with _current_folder():
        factory = _find(spec)
        options = {"num_classes": num_classes, "in_channels": in_channels}
        given = {
            key: value
            for key, value in options.items()
            if value is not None and takes(factory, key)
        }
        try:
            inspect.signature(factory).bind(**given)
        except TypeError as error:
            raise InputError(
                f"--model: {spec} cannot be called with "
                f"{', '.join(f'{k}={v}' for k, v in given.items()) or 'no argument'}: {error}."
            ) from error
        except ValueError:
            pass  # a signature that Python cannot tell, as some compiled callables have
        network = _guarded(f"{spec} failed", lambda: factory(**given))
    if not isinstance(network, nn.Module):
        raise InputError(
            f"--model: {spec} returned {type(network).__name__}; expected a torch.nn.Module."
        )
    return network


def factory_needs(spec: str, name: str) -> bool:
    """Tell whether the factory has an argument of this name without a default."""
    with _current_folder():
        parameter = _parameters(_find(spec)).get(name)
    return parameter is not None and parameter.default is inspect.Parameter.empty


def factory_takes(spec: str, name: str) -> bool:
    """Tell whether the factory can be called with an argument of this name."""
    with _current_folder():
        return takes(_find(spec), name)


def takes(factory: Callable[..., object], name: str) -> bool:
    """Tell whether a callable's signature has a keyword argument of this name."""
    parameters = _parameters(factory)
    positional = inspect.Parameter.POSITIONAL_ONLY
    return name in parameters and parameters[name].kind is not positional


def _parameters(factory: Callable[..., object]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(factory).parameters)
    except ValueError:
        return {}


def _find(spec: str) -> Callable[..., object]:
    module_name, _, attribute = spec.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), *attribute.split(".")]):
        raise InputError(
            f"--model: found {spec!r}; expected package.module:factory, such as mynets.small:build "
            "for build() in mynets/small.py."
        )
    found: object = _guarded(
        f"the module {module_name} cannot be imported from {os.getcwd()} or the installed packages",
        lambda: importlib.import_module(module_name),
    )
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [n for n, value in vars(found).items() if callable(value) and n[0] != "_"]
            raise unknown_name(f"--model: {module_name}", part, names)
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"--model: {spec} is a {type(found).__name__}; expected a function.")
    return found


def _guarded(what: str, action: Callable[[], _T]) -> _T:
    """Turn whatever the user's code raises into one sentence that keeps the cause."""
    try:
        return action()
    except InputError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise InputError(f"--model: {what}: {type(error).__name__}: {first}") from error


@contextmanager
def _current_folder() -> Iterator[None]:
    """Let modules of the current folder be imported inside the `with` block."""
    folder = os.getcwd()
    importlib.invalidate_caches()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):  # the user's code may have changed the path itself
            sys.path.remove(folder)
