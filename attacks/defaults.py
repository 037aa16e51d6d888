"""The recipes of the default study, for images of few pixels and for photographs.

PGD runs all of its steps (`stop=false`): an example left as soon as it is misclassified lies at the
boundary, as a minimum-norm one does, and would say little about what the attack's own goal, a large
loss, does to the landscape.
"""

from __future__ import annotations

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
