"""Flatness of the loss in input space, around genuine and around adversarial images.

`python -m landscape.flatness` compares them and writes a report; `run(...)` is the same study from
Python. The science is in pure functions on tensors: `noise_rise`, `worst_case_rise`,
`label_stability`, `gradient_norm` (and `landscape.curvature`); `measure` takes them all at once,
and `landscape.compare` turns their table into comparisons, raw and at equal loss.
"""

from core.lazy import attach

_NAMES = {
    "run": "landscape.flatness.command",
    "FlatnessStudy": "landscape.flatness.study",
    "MEASURES": "landscape.flatness.catalogue",
    "measure": "landscape.flatness.measures",
    "noise_rise": "landscape.flatness.noise",
    "worst_case_rise": "landscape.flatness.worst_case",
    "label_stability": "landscape.flatness.stability",
    "gradient_norm": "landscape.flatness.gradients",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
