"""What the packages share: classifiers, image sets, layers, training, studies, statistics, reports.

>>> from core import load_images
>>> len(load_images("digits", split="test"))
600
"""

from core.lazy import attach

_NAMES = {
    "Classifier": "core.models",
    "evaluating": "core.models",
    "fingerprint": "core.models",
    "load_classifier": "core.models",
    "build_network": "core.models",
    "is_piecewise_linear": "core.models",
    "resolve_device": "core.models",
    "ImageSet": "core.data",
    "load_images": "core.data",
    "InputError": "core.errors",
    "capture": "core.layers",
    "layer_names": "core.layers",
    "layer_table": "core.layers",
    "replacing": "core.layers",
    "resolve_layer": "core.layers",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
