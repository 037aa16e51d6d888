"""Hidden representations of a whole image set: collected in one pass, kept as memory maps.

>>> import tempfile
>>> from core import load_classifier, load_images
>>> from core.representations import collect
>>> images = load_images("digits").subset(40)
>>> with tempfile.TemporaryDirectory() as folder:
...     found = collect(load_classifier(), images, ["input", "0"], folder=folder)
...     found["0"].shape
(40, 16, 8, 8)
"""

from typing import TYPE_CHECKING

from core.lazy import attach

if TYPE_CHECKING:
    from core.representations.collecting import collect as collect
    from core.representations.collection import Collection as Collection
    from core.representations.collection import open_collection as open_collection
    from core.representations.moments import moments as moments
    from core.representations.sharded import ShardedArray as ShardedArray

_NAMES: dict[str, str | None] = {
    "collect": "core.representations.collecting",
    "Collection": "core.representations.collection",
    "open_collection": "core.representations.collection",
    "ShardedArray": "core.representations.sharded",
    "Moments": "core.representations.moments",
    "moments": "core.representations.moments",
    "FORMS": "core.representations.forms",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
