"""The figures of a study of noise, drawn from what was compared alone."""

from core.lazy import attach

_NAMES = {
    "against": "landscape.noise.figures.comparisons",
    "scales": "landscape.noise.figures.scales",
    "losses": "landscape.noise.figures.optimisations",
    "fooled": "landscape.noise.figures.optimisations",
    "turns": "landscape.noise.figures.optimisations",
    "planes": "landscape.noise.figures.planes",
    "relations": "landscape.noise.figures.relations",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
