"""The command `python -m attacks.transfer`: what examples made on one classifier do to others.

`from attacks.transfer import run` is the study from Python; `attacks.transfer` itself is the
function that answers for tensors, with a row per recipe, source, victim and image. The other names
are pure functions of such a table: gains, sharing, and what goes with them.
"""

from core.lazy import attach

_NAMES = {
    "run": "attacks.transfer.command",
    "TransferStudy": "attacks.transfer.study",
    "success_rates": "attacks.transfer.gains",
    "paired_gain": "attacks.transfer.gains",
    "scale_curve": "attacks.transfer.gains",
    "shared_images": "attacks.transfer.sharing",
    "shared_between_sources": "attacks.transfer.sharing",
    "same_wrong_class": "attacks.transfer.sharing",
    "transfer_of_images": "attacks.transfer.relations",
    "relate_images": "attacks.transfer.relations",
    "relate_pairs": "attacks.transfer.relations",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
