"""Curvature of the loss in input space: the spectrum and the trace of each example's Hessian."""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "Curvature": "landscape.curvature.hessian",
    "input_hessian": "landscape.curvature.hessian",
    "Ritz": "landscape.curvature.lanczos",
    "lanczos": "landscape.curvature.lanczos",
    "hessian_product": "landscape.curvature.products",
    "softmax_curvature": "landscape.curvature.softmax",
    "trace_outside": "landscape.curvature.trace",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
