"""What a latent space is like, and where examples lie in it.

`latent_moments`, `covariance_spectrum`, `fisher_ratio`, `nearest_mean_accuracy` and `two_nn`
describe latents; `ClassGaussians` is their density; `jensen_shannon` says how much a prediction has
changed, and `detection` how well a number tells examples from their genuine twins, beside the
trivial one.
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "ClassGaussians": "autoencoders.latents.density",
    "Coordinates": "autoencoders.latents.coordinates",
    "Detection": "autoencoders.latents.detection",
    "Plane": "autoencoders.latents.plane",
    "Spectrum": "autoencoders.latents.spectrum",
    "covariance_spectrum": "autoencoders.latents.spectrum",
    "detection": "autoencoders.latents.detection",
    "fisher_ratio": "autoencoders.latents.separation",
    "jensen_shannon": "autoencoders.latents.prediction_change",
    "latent_moments": "autoencoders.latents.moments",
    "nearest_mean_accuracy": "autoencoders.latents.separation",
    "plane_of": "autoencoders.latents.plane",
    "two_nn": "autoencoders.latents.dimension",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
