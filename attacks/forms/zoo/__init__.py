"""The rest of the zoo: attacks of torchattacks 3.5.1 by name, as tables."""

from __future__ import annotations

from attacks.forms.zoo.attack import ZooAttack
from attacks.forms.zoo.ball import BALL
from attacks.forms.zoo.minimum import MINIMUM
from attacks.forms.zoo.transferring import TRANSFERRING

ZOO: dict[str, ZooAttack] = {
    attack.form.name: attack for attack in (*BALL, *TRANSFERRING, *MINIMUM)
}
"""The attacks that torchattacks makes, by the name they have in a recipe."""
