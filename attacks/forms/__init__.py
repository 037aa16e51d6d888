"""What each attack can be told: its settings with their types, ranges, defaults and meanings."""

from __future__ import annotations

from attacks.forms.control import NOISE
from attacks.forms.form import Form
from attacks.forms.gradient import FGSM, PGD
from attacks.forms.minimum import MINNORM
from attacks.forms.zoo import ZOO

ZOO_FORMS = tuple(attack.form for attack in ZOO.values())
FORMS: dict[str, Form] = {form.name: form for form in (FGSM, PGD, MINNORM, NOISE, *ZOO_FORMS)}
"""Every attack by the name it has in a recipe."""
