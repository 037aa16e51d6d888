"""Connectivity in input space: paths of low loss between images, and how high they must climb.

Pure functions on tensors: six ways to find paths (`straight_line`, `bypass`, `polychain`, `bezier`,
`elastic_band`, `level_set`), each of which returns `Paths`; `barrier` and `table` measure them on
dense points; `pairs` builds the pairs and `controls` what they are compared with.
"""

from typing import TYPE_CHECKING

from core.lazy import attach

if TYPE_CHECKING:  # the functions, not the submodules of those names
    from landscape.connectivity.barrier import barrier as barrier
    from landscape.connectivity.bypass import bypass as bypass
    from landscape.connectivity.elastic_band import elastic_band as elastic_band
    from landscape.connectivity.level_set import level_set as level_set

_NAMES: dict[str, str | None] = {
    "Paths": "landscape.connectivity.paths",
    "straight_line": "landscape.connectivity.paths",
    "bypass": "landscape.connectivity.bypass",
    "polychain": "landscape.connectivity.curves",
    "bezier": "landscape.connectivity.curves",
    "elastic_band": "landscape.connectivity.elastic_band",
    "level_set": "landscape.connectivity.level_set",
    "Barrier": "landscape.connectivity.barrier",
    "barrier": "landscape.connectivity.barrier",
    "table": "landscape.connectivity.barrier",
    "pairs": None,
    "controls": None,
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
