"""Slices of input space: the loss, the margin and the label on lines and planes through images.

`python -m landscape.slices` draws them and says in numbers how far the boundary lies in which
direction; `run(...)` is the same study from Python. The science is in pure functions on tensors:
`line`, `plane` and `three_inputs` evaluate, `first_change` finds where a label ends, the
directions to look in have functions of their own; `draw_line`, `draw_plane` and `draw_surface`
return figures.

>>> import torch
>>> from landscape import Loss, slices
>>> halves = Loss(torch.nn.Flatten(), torch.tensor([0]))  # the larger of two pixels is the class
>>> image = torch.tensor([[0.75, 0.25]])
>>> found = slices.plane(halves, image, torch.eye(2)[None], 1.0, points=5)
>>> found.seen.kept[0, 2].tolist()  # the row through the image: class 0 from the middle on
[False, True, True, True, True]
"""

from typing import TYPE_CHECKING

from core.lazy import attach

if TYPE_CHECKING:  # the functions, not modules of those names
    from landscape.slices.planes import plane as plane

_NAMES: dict[str, str | None] = {
    "run": "landscape.slices.command",
    "SlicesStudy": "landscape.slices.study",
    "line": "landscape.slices.lines",
    "LineSlice": "landscape.slices.lines",
    "Taylor": "landscape.slices.lines",
    "taylor": "landscape.slices.lines",
    "local_reach": "landscape.slices.lines",
    "plane": "landscape.slices.planes",
    "three_inputs": "landscape.slices.planes",
    "through": "landscape.slices.planes",
    "Plane": "landscape.slices.planes",
    "PlaneSlice": "landscape.slices.planes",
    "Seen": "landscape.slices.evaluation",
    "seen_at": "landscape.slices.evaluation",
    "Change": "landscape.slices.changes",
    "first_change": "landscape.slices.changes",
    "random_directions": "landscape.slices.directions",
    "gradient_directions": "landscape.slices.directions",
    "sign_gradient_directions": "landscape.slices.directions",
    "eigenvector_directions": "landscape.slices.directions",
    "towards": "landscape.slices.directions",
    "orthonormal": "landscape.slices.directions",
    "unit": "landscape.slices.directions",
    "draw_line": "landscape.slices.drawing",
    "draw_plane": "landscape.slices.drawing",
    "draw_surface": "landscape.slices.drawing",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
