"""Noise in the optimisation: what other ways to adversarial examples find than plain sign PGD.

`python -m landscape.noise` compares recipes at one radius and one budget of gradients and writes a
report; `run(...)` is the same study from Python. Pure functions: `turning` and `tortuosity` of
recorded ways, `followed` (the loss along them), `principal_plane` (in which they are drawn),
`connected` (how well two images are) and `against` (a table's groups compared with one of them).
"""

from core.lazy import attach

_NAMES = {
    "run": "landscape.noise.command",
    "NoiseStudy": "landscape.noise.study",
    "turning": "landscape.noise.ways",
    "tortuosity": "landscape.noise.ways",
    "followed": "landscape.noise.following",
    "principal_plane": "landscape.noise.planes",
    "connected": "landscape.noise.connections",
    "against": "landscape.noise.against",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
