"""The search on the manifold that an autoencoder has learnt; what makes it lies above `attacks`."""

from __future__ import annotations

from attacks.forms.common import NOISE_SCALE, NOISY, TARGETED, noisy_conflict
from attacks.forms.form import Form, Setting

MANIFOLD = Form(
    "manifold",
    "on-manifold",
    "Gradient ascent in the latent space of an autoencoder: every example is a decoded latent, in "
    "the box. What is reconstructed as another class is left as it is.",
    (
        Setting(
            "autoencoder",
            "path",
            "file of an autoencoder of the images, `ae`, `dae` or `vae`",
            shown=True,
            example="autoencoder='model.safetensors'",
        ),
        Setting(
            "norm",
            "choice",
            "norm of the ball in the latent space",
            "l2",
            choices=("l2", "linf"),
            shown=True,
        ),
        Setting(
            "radius",
            "number",
            "of the ball around the image's own latent, each of whose numbers is in units of its "
            "standard deviation over genuine images",
            3.0,
            above=0,
            shown=True,
        ),
        Setting("steps", "integer", "gradient steps", 40, least=1, most=10**6, shown=True),
        Setting(
            "step_size",
            "number",
            "length of a step, in the units of the radius; if not given, a tenth of it",
            lambda values: float(values["radius"]) / 10,
            above=0,
        ),
        Setting(
            "objective",
            "choice",
            "what is climbed",
            "cross_entropy",
            choices=("cross_entropy", "margin"),
        ),
        NOISY,
        NOISE_SCALE,
        Setting(
            "stop",
            "flag",
            "an example stops at its first success; true, except where noisy is given: there it "
            "costs one more forward pass per step, and without it the last point is kept",
            lambda values: values.get("noisy") is None,
        ),
        TARGETED,
    ),
    noisy_conflict,
    gradients=lambda values: values["steps"],
    source="after Stutz et al. 2019, Disentangling adversarial robustness and generalization",
)
