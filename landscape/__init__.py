"""The landscape of a classifier's loss over its inputs.

Modules: `flatness` (how the loss rises around an input), `curvature` (its second derivatives) and
`connectivity` (paths of low loss between inputs).
Each holds pure functions on tensors and, where it is a command, `run(...)`, the study itself.
"""

from core.lazy import attach

_NAMES = {"Loss": "landscape.loss", "connectivity": None, "curvature": None, "flatness": None}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
