"""Attacks of torchattacks inside a ball, made for examples that fool other classifiers, too."""

from __future__ import annotations

from attacks.forms.common import EPS, NOISE_SCALE, NOISY, TARGETED, noisy_conflict
from attacks.forms.form import Form, Setting
from attacks.forms.zoo.attack import ZooAttack
from attacks.forms.zoo.climbing import (
    DIVERSITY,
    FROM_IMAGE,
    KERNEL,
    LINF,
    NEIGHBOURS,
    REACH,
    STEPS,
    by_steps,
    climb,
    decay,
)

TRANSFERRING = (
    climb(
        "mifgsm",
        "MI-FGSM",
        "MIFGSM",
        "Sign steps along a gradient with momentum.",
        "Dong et al. 2018, Boosting adversarial attacks with momentum",
        (decay(1.0), "decay"),
        together=True,
    ),
    climb(
        "nifgsm",
        "NI-FGSM",
        "NIFGSM",
        "MI-FGSM with the gradient of a point further along (Nesterov).",
        "Lin et al. 2020, Nesterov accelerated gradient and scale invariance",
        (decay(1.0), "decay"),
        together=True,
    ),
    climb(
        "sinifgsm",
        "SI-NI-FGSM",
        "SINIFGSM",
        "NI-FGSM with the gradients of the image at 1, 1/2, 1/4, ... of its brightness.",
        "Lin et al. 2020, Nesterov accelerated gradient and scale invariance",
        (decay(1.0), "decay"),
        (Setting("scales", "integer", "images of falling brightness", 5, least=1, most=60), "m"),
        gradients=by_steps(lambda values: values["scales"]),
        together=True,
    ),
    climb(
        "vmifgsm",
        "VMI-FGSM",
        "VMIFGSM",
        "MI-FGSM with a gradient tuned by those of random neighbours.",
        "Wang and He 2021, Enhancing the transferability through variance tuning",
        (decay(1.0), "decay"),
        (NEIGHBOURS, "N"),
        (REACH, "beta"),
        gradients=by_steps(lambda values: 1 + values["neighbours"]),
        together=True,
    ),
    climb(
        "vnifgsm",
        "VNI-FGSM",
        "VNIFGSM",
        "NI-FGSM with a gradient tuned by those of random neighbours.",
        "Wang and He 2021, Enhancing the transferability through variance tuning",
        (decay(1.0), "decay"),
        (NEIGHBOURS, "N"),
        (REACH, "beta"),
        gradients=by_steps(lambda values: 1 + values["neighbours"]),
        together=True,
    ),
    climb(
        "difgsm",
        "DI-FGSM",
        "DIFGSM",
        "Sign steps that show the classifier a randomly shrunk and padded image every other time.",
        "Xie et al. 2019, Improving transferability with input diversity",
        (decay(0.0), "decay"),
        *zip(DIVERSITY, ("resize_rate", "diversity_prob"), strict=True),
        (FROM_IMAGE, "random_start"),
        rows_and_columns=True,
        square=True,
    ),
    climb(
        "tifgsm",
        "TI-FGSM",
        "TIFGSM",
        "DI-FGSM with a gradient smoothed over neighbouring pixels.",
        "Dong et al. 2019, Evading defenses by translation-invariant attacks",
        (decay(0.0), "decay"),
        *zip(KERNEL, ("kernel_name", "len_kernel"), strict=True),
        *zip(DIVERSITY, ("resize_rate", "diversity_prob"), strict=True),
        (FROM_IMAGE, "random_start"),
        rows_and_columns=True,
        square=True,
    ),
    *(
        ZooAttack(
            Form(
                name,
                title,
                f"Sign steps{smoothed} whose overflow is handed to the neighbouring pixels.",
                (
                    LINF,
                    EPS,
                    STEPS,
                    Setting(
                        "amplification",
                        "number",
                        "a step's length, as a multiple of eps / steps",
                        10.0,
                        above=0,
                    ),
                    *own,
                    NOISY,
                    NOISE_SCALE,
                    *targeted,
                ),
                noisy_conflict,
                by_steps(),
                source=source,
            ),
            made_by,
            {"eps": "max_epsilon", "steps": "num_iter_set", "amplification": "amplification"}
            | {setting.name: setting.name for setting in own},
            together=True,
            rows_and_columns=True,
            labels_are_targets=True,
        )
        for name, title, made_by, smoothed, own, targeted, source in (
            (
                "pifgsm",
                "PI-FGSM",
                "PIFGSM",
                "",
                (),
                (),
                "Gao et al. 2020, Patch-wise attack for fooling deep neural network",
            ),
            (
                "pifgsmpp",
                "PI-FGSM++",
                "PIFGSMPP",
                " along a smoothed gradient",
                (
                    Setting(
                        "project_factor", "number", "share of it that is handed on", 0.8, least=0
                    ),
                ),
                (TARGETED,),
                "Gao et al. 2020, Patch-wise++ perturbation for adversarial targeted attacks",
            ),
        )
    ),
)
"""From MI-FGSM to PI-FGSM++."""
