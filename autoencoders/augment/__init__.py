"""`python -m autoencoders.augment`: classifiers trained with moves on a layer's manifold.

A move is a function of a layer's outputs; `LayerAugmentation` makes it in training steps; the study
compares moves to samples around the latent with noise of equal length, and with none.
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "run": "autoencoders.augment.command",
    "AugmentStudy": "autoencoders.augment.study",
    "LayerAugmentation": "autoencoders.augment.augmentation",
    "AutoencoderMove": "autoencoders.augment.moves",
    "NoiseMove": "autoencoders.augment.moves",
    "latent_deviation": "autoencoders.augment.moves",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
