"""Figures of the curvature study."""

from typing import TYPE_CHECKING

from core.lazy import attach

if TYPE_CHECKING:  # the functions, not the submodules of that name
    from landscape.curvature.drawing.densities import densities as densities
    from landscape.curvature.drawing.eigenvectors import eigenvectors as eigenvectors
    from landscape.curvature.drawing.spectra import spectra as spectra
    from landscape.curvature.drawing.strips import strips as strips

_NAMES: dict[str, str | None] = {
    "spectra": "landscape.curvature.drawing.spectra",
    "eigenvectors": "landscape.curvature.drawing.eigenvectors",
    "Strip": "landscape.curvature.drawing.strips",
    "strips": "landscape.curvature.drawing.strips",
    "densities": "landscape.curvature.drawing.densities",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
