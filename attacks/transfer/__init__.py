"""The command `python -m attacks.transfer`: which examples fool which classifiers, with a report.

`from attacks.transfer import run` is the same study from Python; `attacks.transfer` itself is the
function that answers it for tensors.
"""

from core.lazy import attach

_NAMES = {
    "run": "attacks.transfer.command",
    "TransferStudy": "attacks.transfer.study",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
