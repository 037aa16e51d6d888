"""Signs that an attack fails because gradients are masked, not because the classifier is robust.

Carlini et al. 2019, "On evaluating adversarial robustness", section 4; Athalye et al. 2018,
"Obfuscated gradients give a false sense of security".
"""

from core.lazy import attach

_NAMES = {
    "CHECKS": "attacks.masking.rows",
    "masking_checks": "attacks.masking.checks",
    "default_radii": "attacks.masking.checks",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
