"""Example groups of a study: genuine images, what attacks made of them, and their controls."""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "GroupStudy": "landscape.groups.study",
    "resolved_groups": "landscape.groups.options",
    "same_class": None,
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
