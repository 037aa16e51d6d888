"""The figures of a flatness study, each drawn from the table of measures alone."""

from core.lazy import attach

_NAMES = {
    "Groups": "landscape.flatness.figures.groups",
    "effects": "landscape.flatness.figures.forests",
    "discrimination": "landscape.flatness.figures.forests",
    "rises": "landscape.flatness.figures.curves",
    "stability": "landscape.flatness.figures.curves",
    "pairs": "landscape.flatness.figures.violins",
    "distributions": "landscape.flatness.figures.violins",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
