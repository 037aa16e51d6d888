"""On the manifold: adversarial examples that an autoencoder can decode, and distances to it.

`python -m autoencoders.manifold` searches them, compares them with attacks on the pixels, and
writes a report; `run(...)` is the same study from Python. Below it stand functions on tensors:

- `search`: latents near that of an example whose decoded images fool the classifier;
- `ErrorScale`, `reconstruction_errors`: the error of an autoencoder as a z-score;
- `tangent_residuals`: the distance to the flat of the nearest genuine examples.

As an attack it is the recipe `manifold(autoencoder='FILE')`, see `attacks`.
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "run": "autoencoders.manifold.command",
    "ManifoldStudy": "autoencoders.manifold.study",
    "ErrorScale": "autoencoders.manifold.distance",
    "Manifold": "autoencoders.manifold.manifold",
    "OnManifold": "autoencoders.manifold.search",
    "reconstruction_errors": "autoencoders.manifold.distance",
    "search": "autoencoders.manifold.search",
    "tangent_residuals": "autoencoders.manifold.distance",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
