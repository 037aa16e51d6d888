"""Connectivity in input space: paths of low loss between images, and how high they must climb.

`python -m landscape.connectivity` joins genuine, adversarial and control images, and writes a
report; `run(...)` is the same study from Python. The science is in pure functions on tensors: six
ways to find paths (`straight_line`, `bypass`, `polychain`, `bezier`, `elastic_band`, `level_set`),
each of which returns `Paths`; `barrier` and `table` measure them on dense points; `pairs` builds
the pairs and `controls` what they are compared with; `second_ends` says what joining an image to
genuine ones tells about it.
"""

from typing import TYPE_CHECKING

from core.lazy import attach

if TYPE_CHECKING:  # the functions, not the submodules of those names
    from landscape.connectivity.barrier import barrier as barrier
    from landscape.connectivity.bypass import bypass as bypass
    from landscape.connectivity.elastic_band import elastic_band as elastic_band
    from landscape.connectivity.level_set import level_set as level_set
    from landscape.connectivity.second_ends import second_ends as second_ends

_NAMES: dict[str, str | None] = {
    "run": "landscape.connectivity.command",
    "ConnectivityStudy": "landscape.connectivity.study",
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
    "second_ends": "landscape.connectivity.second_ends",
    "pairs": None,
    "controls": None,
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
