"""Figures that studies of example groups share, drawn from tables of measures alone."""

from core.lazy import attach

_NAMES = {
    "Groups": "landscape.figures.groups",
    "areas": "landscape.figures.heat_map",
    "effects": "landscape.figures.forests",
    "discrimination": "landscape.figures.forests",
    "rises": "landscape.figures.curves",
    "averages": "landscape.figures.curves",
    "pairs": "landscape.figures.violins",
    "distributions": "landscape.figures.violins",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
