"""The one place that imports torchvision, also where its compiled operators cannot be loaded."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

import torch

# torchvision registers shape rules for these operators while it is imported, and that needs their
# schemas; they come from its compiled library, which does not load beside a torch of another build
# (a CUDA torchvision beside a CPU torch). A schema alone lets the import pass; calling such an
# operator still ends in torch's own error, since no kernel stands behind it.
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

# A schema lives as long as the Library object that declared it.
_declared: list[torch.library.Library] = []


def torchvision() -> ModuleType:
    """Return the torchvision package; after this, `import torchvision` works everywhere else too.

    Classifiers, transforms and data sets work without torchvision's compiled operators; where these
    do not load, the schemas of the few that its import asks for are declared first, once.

    >>> torchvision().models.resnet18.__name__
    'resnet18'
    """
    if not _operators_load():
        _declare_missing()
    return importlib.import_module("torchvision")


def _operators_load() -> bool:
    """Load torchvision's compiled operators as torchvision itself will; False where they fail."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return True
    folder = Path(found.origin).parent
    for library in sorted([*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]):
        with contextlib.suppress(OSError):
            torch.ops.load_library(library)
            return True
    return False


def _declare_missing() -> None:
    """Declare the schemas that no library has declared yet."""
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(schema)
            _declared.append(library)
