"""What hidden representations mean: read off their nearest neighbours.

>>> import tempfile
>>> from core import load_classifier, load_images
>>> from interpret import build_index, collect
>>> images = load_images("digits", split="train").subset(200)
>>> with tempfile.TemporaryDirectory() as folder:
...     found = collect(load_classifier(), images, ["10"], folder=folder)
...     index = build_index(found, "10")
...     near = index.search(found["10"][:1], k=3, ids=found.ids[:1])
...     near.labels.tolist(), bool(near.distances[0, 0] > 0)
([[4, 4, 4]], True)
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "collect": "core.representations.collecting",
    "build_index": "interpret.index.building",
    "load_index": "interpret.index.building",
    "Index": "interpret.index.index",
    "Neighbours": "interpret.index.index",
    "explain_move": "interpret.moves.explaining",
    "credibility": None,
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
