"""The recipes of the default studies, for images of few pixels and for photographs.

PGD runs all of its steps (`stop=false`): an example left as soon as it is misclassified lies at the
boundary, as a minimum-norm one does, and would say little about what the attack's own goal, a large
loss, does to the landscape.
"""

from __future__ import annotations

from core.options import number

DEFAULT_DIGITS = (
    "noise(like=pgd(norm=linf, eps=0.2, stop=false))",
    "fgsm(norm=linf, eps=0.2)",
    "pgd(norm=linf, eps=0.2, stop=false)",
    "pgd(norm=l2, eps=1.0, stop=false)",
    "minnorm(norm=l2)",
)
"""For the digits, 8 x 8 pixels."""

DEFAULT_PHOTOGRAPHS = (
    "noise(like=pgd(norm=linf, eps=2/255, stop=false))",
    "fgsm(norm=linf, eps=2/255)",
    "pgd(norm=linf, eps=2/255, stop=false)",
    "pgd(norm=l2, eps=0.5, stop=false)",
    "minnorm(norm=l2)",
)
"""For photographs, 32 x 32 pixels and more."""

_TRANSFER = (
    "noise(like=pgd(norm=linf, eps={eps}, stop=false))",
    "shuffled(like=pgd(norm=linf, eps={eps}, stop=false))",
    "fgsm(norm=linf, eps={eps})",
    "pgd(norm=linf, eps={eps}, stop=false)",
    "pgd(norm=linf, eps={eps}, momentum=1, stop=false)",
    "pgd(norm=linf, eps={eps}, optimiser=adam, stop=false)",
    "pgd(norm=linf, eps={eps}, objective=margin, stop=false)",
    "pgd(norm=linf, eps={eps}, objective=logit, stop=false)",
    "pgd(norm=linf, eps={eps}, langevin={quarter}, stop=false)",
    "pgd(norm=linf, eps={eps}, transform=diverse, stop=false)",
    "pgd(norm=linf, eps={eps}, noisy=gaussian, stop=false)",
    "pgd(norm=linf, eps={eps}, noisy=filter, stop=false)",
    "pgd(norm=linf, eps={eps}, noisy=dropout, stop=false)",
)
TRANSFER_EPS = {"digits": "0.2", "photographs": "8/255"}
"""The radius, in linf, at which transfer is studied unless told otherwise."""


def transfer_recipes(eps: str) -> tuple[str, ...]:
    """Return the recipes of the default study of transfer, all with one linf radius.

    They leave the number of steps open: a study gives each as many as its gradient budget allows.
    None stops at its first success, since an example that only just fools its source lies at the
    boundary of that classifier, and hardly any other one is fooled by it.
    """
    quarter = number(eps, "--eps") / 4
    return tuple(recipe.format(eps=eps, quarter=quarter) for recipe in _TRANSFER)
