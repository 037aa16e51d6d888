"""Peers that need a hand to be imported."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType


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
    return importlib.import_module("adv_lib.attacks")
