"""Searching the nearest of collected representations: exactly by default, and saved beside them."""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "Index": "interpret.index.index",
    "METHODS": "interpret.index.approximate",
    "METRICS": "interpret.index.metrics",
    "Neighbours": "interpret.index.index",
    "Recall": "interpret.index.recall",
    "Settings": "interpret.index.settings",
    "Vectors": "interpret.index.vectors",
    "build_index": "interpret.index.building",
    "index_of": "interpret.index.arrays",
    "load_index": "interpret.index.building",
    "nearest": "interpret.index.exact",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
