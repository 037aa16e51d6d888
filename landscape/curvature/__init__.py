"""Curvature of the loss in input space, around genuine and around adversarial images.

`python -m landscape.curvature` compares them and writes a report; `run(...)` is the same study from
Python. The science is in functions on tensors, batched over examples: `input_hessian` gives each
one's spectrum, trace and eigenvectors by the best method that the network allows; `curvature_along`
the curvature along chosen directions; `hessian_quadrature`, `hessian_trace` and
`negative_curvature` look at the whole Hessian of any loss. `nearest_boundary` finds the nearest
point of the decision boundary, `boundary_curvature` and `principal_curvatures` say how it bends.
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "run": "landscape.curvature.command",
    "CurvatureStudy": "landscape.curvature.study",
    "Curvature": "landscape.curvature.hessian",
    "input_hessian": "landscape.curvature.hessian",
    "Ritz": "landscape.curvature.lanczos",
    "lanczos": "landscape.curvature.lanczos",
    "hessian_product": "landscape.curvature.products",
    "softmax_curvature": "landscape.curvature.softmax",
    "softmax_lanczos": "landscape.curvature.softmax_lanczos",
    "Quadrature": "landscape.curvature.quadrature",
    "hessian_quadrature": "landscape.curvature.quadrature",
    "hessian_trace": "landscape.curvature.hutchpp",
    "trace_outside": "landscape.curvature.hutchpp",
    "Negative": "landscape.curvature.negative",
    "negative_curvature": "landscape.curvature.negative",
    "curvature_along": "landscape.curvature.along",
    "random_curvature": "landscape.curvature.along",
    "directions": None,
    "Boundary": "landscape.curvature.boundary",
    "Lead": "landscape.curvature.boundary",
    "nearest_boundary": "landscape.curvature.boundary",
    "BoundaryCurvature": "landscape.curvature.normal_curvature",
    "boundary_curvature": "landscape.curvature.normal_curvature",
    "boundary_curvature_along": "landscape.curvature.normal_curvature",
    "PrincipalCurvatures": "landscape.curvature.principal",
    "principal_curvatures": "landscape.curvature.principal",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
