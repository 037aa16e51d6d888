"""Attacks that look for the nearest misclassified point."""

from __future__ import annotations

from attacks.forms.common import NOISE_SCALE, NOISY, TARGETED, noisy_conflict
from attacks.forms.form import Form, Setting

MINNORM = Form(
    "minnorm",
    "minimum-norm",
    "The nearest misclassified point.",
    (
        Setting(
            "norm", "choice", "norm that is minimised", "l2", choices=("l2", "linf"), shown=True
        ),
        Setting(
            "steps",
            "integer",
            "points evaluated after the image",
            99,
            least=2,
            most=10**6,
            shown=True,
        ),
        TARGETED,
        NOISY,
        NOISE_SCALE,
    ),
    noisy_conflict,
    gradients=lambda values: values["steps"],
    source="after Rony et al. 2019, Decoupling direction and norm, and Pintor et al. 2021, Fast "
    "minimum-norm adversarial attacks",
)
