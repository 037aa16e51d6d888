"""Figures of slices: of lines, of planes, and of many of them side by side."""

from core.lazy import attach

_NAMES = {
    "draw_line": "landscape.slices.drawing.profiles",
    "draw_plane": "landscape.slices.drawing.triptych",
    "draw_surface": "landscape.slices.drawing.surfaces",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
