"""Attacks that are made by a package above this one, which is imported when such a recipe is used.

A search on the manifold of an autoencoder needs autoencoders, and these stand on `attacks`. So what
makes it is known here by its name alone, and so is what identifies the files that its recipe names.
It is the only place in this package, or in `core`, that leads to one above.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from attacks.active import Outcome
from attacks.forms import FORMS
from attacks.recipes import parse
from attacks.task import Task
from core.errors import InputError

MAKERS = {"manifold": "autoencoders.manifold.recipe:make"}
"""Of each such form, the module and the function that makes its examples."""


def maker(name: str) -> Callable[[Task], Outcome]:
    """Return the function that makes the examples of a form, imported at its first use."""
    module, _, function = MAKERS[name].partition(":")

    def make(task: Task) -> Outcome:
        made: Outcome = getattr(importlib.import_module(module), function)(task)
        return made

    return make


def files_of(recipes: Iterable[str], *, argument: str = "--attacks") -> dict[str, str]:
    """Return what the files that recipes name contain, as SHA-256, for the identity of a study.

    Args:
        recipes: of which most name none.
        argument: for messages.

    Raises:
        InputError: a file is not there; the message names the argument.

    >>> files_of(["pgd(eps=0.1)"])
    {}
    """
    found = {}
    for text in recipes:
        recipe = parse(text, argument=argument)
        recipe = recipe.get("like") or recipe
        for setting in FORMS[recipe.name].settings:
            if setting.kind != "path":
                continue
            path = Path(recipe[setting.name])
            if not path.is_file():
                raise InputError(
                    f"{argument}: {setting.name} of {recipe.name}: there is no file {str(path)!r}."
                )
            found[f"{setting.name} {path}"] = sha256(path.read_bytes()).hexdigest()
    return found
