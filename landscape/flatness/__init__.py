"""Flatness of the loss in input space, around genuine and around adversarial images.

`python -m landscape.flatness` compares them and writes a report; `run(...)` is the same study from
Python. The science is in pure functions on tensors:

- noise: `noise_rise`, `log_odds_shift` (standardised by `log_odds_score`), `gradient_coherence`;
- the label: `label_stability`, `label_persistence`, `boundary_distance`;
- the worst case: `worst_case_rise`, `linearity_gap`;
- slope and curvature: `gradient_norm`, `gradient_change` (and `landscape.curvature`);
- the genuine images around: `local_dimension`.

`measure` takes all of `MEASURES`, or some, at once; `References` are what some are compared with.
`landscape.compare` turns their table into comparisons, raw and at equal loss.
"""

from core.lazy import attach

_NAMES = {
    "run": "landscape.flatness.command",
    "FlatnessStudy": "landscape.flatness.study",
    "MEASURES": "landscape.flatness.catalogue",
    "measure": "landscape.flatness.measures",
    "References": "landscape.flatness.references",
    "boundary_distance": "landscape.flatness.boundary",
    "gradient_change": "landscape.flatness.cure",
    "gradient_coherence": "landscape.flatness.coherence",
    "label_persistence": "landscape.flatness.persistence",
    "linearity_gap": "landscape.flatness.linearity",
    "local_dimension": "landscape.flatness.dimension",
    "log_odds_score": "landscape.flatness.log_odds",
    "log_odds_shift": "landscape.flatness.log_odds",
    "representations": "landscape.flatness.references",
    "stage_layers": "core.stages",
    "noise_rise": "landscape.flatness.noise",
    "worst_case_rise": "landscape.flatness.worst_case",
    "label_stability": "landscape.flatness.stability",
    "gradient_norm": "landscape.flatness.gradients",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
