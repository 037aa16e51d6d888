"""What each attack can be told: its settings with their types, ranges, defaults and meanings."""

from __future__ import annotations

from attacks.forms.autoattack import APGD, APGDT, AUTOATTACK, FAB, SQUARE
from attacks.forms.control import NOISE, SHUFFLED
from attacks.forms.form import Form
from attacks.forms.gradient import FGSM, PGD
from attacks.forms.manifold import MANIFOLD
from attacks.forms.minimum import MINNORM
from attacks.forms.zoo import ZOO

FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        *(FGSM, PGD, APGD, APGDT, MINNORM, FAB, SQUARE, AUTOATTACK, MANIFOLD, NOISE, SHUFFLED),
        *(attack.form for attack in ZOO.values()),
    )
}
"""Every attack by the name it has in a recipe."""
