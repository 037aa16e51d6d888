"""Moves in a latent space: noise around points, ways between them, chains that follow a density."""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "sample": "autoencoders.sampling.chains",
    "Chains": "autoencoders.sampling.chains",
    "Preconditioned": "autoencoders.sampling.preconditioning",
    "guided": "autoencoders.sampling.guided",
    "around": "autoencoders.sampling.moves",
    "linear": "autoencoders.sampling.moves",
    "spherical": "autoencoders.sampling.moves",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
