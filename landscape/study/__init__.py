"""All studies of the landscape at once, for one classifier and one image set, in one report.

`python -m landscape.study` runs flatness, curvature, connectivity, slices and noise over the same
examples, each crafted once; `run(...)` is the same from Python.
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "run": "landscape.study.command",
    "LandscapeStudy": "landscape.study.study",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
