"""Adversarial examples by recipe: crafted, verified from outside, and tried on other classifiers.

`craft` makes the examples of a recipe, `ascend` says the same in arguments, `verify` checks what
anybody made, `transfer` shows each classifier's examples to all, `masking_checks` looks for reasons
not to believe an attack that fails. Files of examples: `save_adversarial`, `load_adversarial`.

>>> from attacks import parse
>>> str(parse("pgd(eps=8/255)"))
'pgd(norm=linf, eps=8/255, steps=40)'
"""

from typing import TYPE_CHECKING

from core.lazy import attach

if TYPE_CHECKING:  # the functions, not the submodules of that name
    from attacks.crafting import craft as craft
    from attacks.transfer.crossing import transfer as transfer

_NAMES = {
    "Recipe": "attacks.recipes",
    "parse": "attacks.recipes",
    "label": "attacks.recipes",
    "slug": "attacks.recipes",
    "Crafted": "attacks.crafting",
    "craft": "attacks.crafting",
    "craft_all": "attacks.crafting",
    "autoattack_components": "attacks.autoattack",
    "ascend": "attacks.ascent",
    "Ball": "attacks.ascent",
    "Minimum": "attacks.ascent",
    "Trajectories": "attacks.trajectories",
    "verify": "attacks.verification",
    "transfer": "attacks.transfer.crossing",
    "NoisyClassifier": "attacks.noisy",
    "perturbed_parameters": "attacks.noisy",
    "AdversarialSet": "attacks.artifacts",
    "save_adversarial": "attacks.artifacts",
    "load_adversarial": "attacks.artifacts",
    "masking_checks": "attacks.masking",
    "DEFAULT_DIGITS": "attacks.defaults",
    "DEFAULT_PHOTOGRAPHS": "attacks.defaults",
    "transfer_recipes": "attacks.defaults",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
