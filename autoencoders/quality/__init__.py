"""How good a model of representations an autoencoder is, in numbers that mean something.

`explained_variance` about the training mean; `relative_errors` beside distances one can imagine;
`spliced`, what the classifier does with reconstructions; `baselines` that a model has to beat;
`code_use` and `posterior` for what the latent does.
"""

from core.lazy import attach

_NAMES: dict[str, str | None] = {
    "ExplainedVariance": "autoencoders.quality.variance",
    "explained_variance": "autoencoders.quality.variance",
    "relative_errors": "autoencoders.quality.distances",
    "spliced": "autoencoders.quality.splicing",
    "logits_with": "autoencoders.quality.splicing",
    "MeanModel": "autoencoders.quality.baselines",
    "PrincipalComponents": "autoencoders.quality.baselines",
    "NearestExample": "autoencoders.quality.baselines",
    "code_use": "autoencoders.quality.codes",
    "posterior": "autoencoders.quality.posterior",
}
__all__ = sorted(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
