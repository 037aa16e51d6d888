"""Figures of paths and of what their ends show, drawn from tables alone."""

from typing import TYPE_CHECKING

from core.lazy import attach

if TYPE_CHECKING:  # the functions, not the submodules of those names
    from landscape.connectivity.figures.along import along as along
    from landscape.connectivity.figures.connected import connected as connected
    from landscape.connectivity.figures.detector import detector as detector
    from landscape.connectivity.figures.effort import effort as effort
    from landscape.connectivity.figures.spread import spread as spread
    from landscape.connectivity.figures.strip import strip as strip

_NAMES = {
    "connected": "landscape.connectivity.figures.connected",
    "along": "landscape.connectivity.figures.along",
    "effort": "landscape.connectivity.figures.effort",
    "spread": "landscape.connectivity.figures.spread",
    "detector": "landscape.connectivity.figures.detector",
    "strip": "landscape.connectivity.figures.strip",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
