"""The landscape of a classifier's loss over its inputs.

Modules: `flatness` (how the loss rises around an input), `curvature` (its second derivatives),
`connectivity` (paths of low loss between inputs), `slices` (pictures of lines and planes), `noise`
(what other ways of optimising, noise in them above all, find than plain sign PGD) and `study` (all
of it at once).
Each holds pure functions on tensors and, where it is a command, `run(...)`, the study itself.
`compare` compares groups of examples in any table of measures, raw and at equal loss.
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "Loss": "landscape.loss",
    "compare": "landscape.comparison",
    "connectivity": None,
    "curvature": None,
    "flatness": None,
    "noise": None,
    "slices": None,
    "study": None,
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
