"""Peers: made ready where they are installed, named where they are not."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from types import ModuleType

from torch import Tensor

from core.vision import torchvision

Attack = Callable[[], Tensor]
"""Makes the adversarial images of a benchmark."""


def prepared(peers: Mapping[str, Callable[[], Attack]]) -> dict[str, Attack | str]:
    """Return each peer's attack, or why it cannot take part."""
    ready: dict[str, Attack | str] = {}
    for name, prepare in peers.items():
        try:
            ready[name] = prepare()
        except ImportError as error:
            ready[name] = f"not installed ({error})"
    return ready


def adv_lib() -> ModuleType:
    """Return the attacks of adv_lib.

    It imports visdom for plots that no attack here asks for; where visdom is missing (it has no
    wheel, and its build fails with today's tools), an empty module takes its place.

    Raises:
        ImportError: adv_lib is not installed.
    """
    if importlib.util.find_spec("adv_lib") is None:
        raise ImportError("No module named 'adv_lib'")
    if "visdom" not in sys.modules and importlib.util.find_spec("visdom") is None:
        sys.modules["visdom"] = ModuleType("visdom")
    torchvision()  # adv_lib imports it bare, which fails where its operators do not load
    return importlib.import_module("adv_lib.attacks")
