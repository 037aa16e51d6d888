"""`python -m autoencoders.explore`: where examples lie in latent spaces, and what lies around."""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "run": "autoencoders.explore.command",
    "ExploreStudy": "autoencoders.explore.study",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
