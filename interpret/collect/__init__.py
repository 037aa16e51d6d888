"""`python -m interpret.collect`: the hidden representations of a classifier, kept on the disk."""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "run": "interpret.collect.command",
    "CollectStudy": "interpret.collect.study",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
