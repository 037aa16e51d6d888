"""The command `python -m attacks.craft`: adversarial examples by recipe, verified, with a report.

`from attacks.craft import run` is the same study from Python; `attacks.craft` itself is the
function that crafts one recipe's examples from tensors.
"""

from core.lazy import attach

_NAMES = {
    "run": "attacks.craft.command",
    "CraftStudy": "attacks.craft.study",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
