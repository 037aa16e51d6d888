"""What examples made for one classifier do to others: gains, sharing, and what goes with them.

Pure functions of one tidy table with a row per (recipe, source, victim, image).
"""

from core.lazy import attach

_NAMES = {
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
