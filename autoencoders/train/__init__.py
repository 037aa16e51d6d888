"""`python -m autoencoders.train`: autoencoders of several layers and kinds, trained and judged."""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "run": "autoencoders.train.command",
    "TrainStudy": "autoencoders.train.study",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
