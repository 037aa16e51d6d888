"""Autoencoders of a classifier's representations: trained, judged, explored, and moved on."""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "Autoencoder": "autoencoders.model",
    "Design": "autoencoders.designs",
    "Origin": "autoencoders.artifact",
    "fit": "autoencoders.fitting",
    "latents": None,
    "load_autoencoder": "autoencoders.artifact",
    "sampling": None,
    "save_autoencoder": "autoencoders.artifact",
    "quality": None,
    "train_autoencoder": "autoencoders.training",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
