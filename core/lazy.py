"""Faces of packages that import a module only when one of its names is asked for.

A name of the face may also be that of a submodule: `attacks.craft` is a function, and `python -m
attacks.craft` a command. Importing a submodule sets it as an attribute of its package; the face
keeps its own, so that the name means the same before and after. `from attacks.craft import run`
reaches into the submodule as ever.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any


def attach(
    package: str, names: Mapping[str, str | None]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package whose public names live in its modules.

    Args:
        package: the package's `__name__`.
        names: public name -> dotted module that holds it; `None` where the name is a submodule.
    """
    kept = {name for name, module in names.items() if module is not None}

    class Face(ModuleType):
        """A package whose public names are not replaced by submodules of the same name."""

        def __setattr__(self, name: str, value: Any) -> None:
            if not (name in kept and isinstance(value, ModuleType)):
                super().__setattr__(name, value)

    if package in sys.modules:
        sys.modules[package].__class__ = Face

    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = names[name]
        if module is None:
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(module), name)

    def __dir__() -> list[str]:
        return sorted(names)

    return __getattr__, __dir__
