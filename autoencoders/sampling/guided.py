"""The density that chains follow when a classifier guides them to a class."""

from __future__ import annotations

from torch import Tensor

from autoencoders.model import Autoencoder
from autoencoders.quality.splicing import logits_with
from autoencoders.sampling.chains import LogDensity
from core.errors import InputError
from core.losses import log_probability
from core.models import Classifier
from core.options import positive


def guided(
    autoencoder: Autoencoder,
    classifier: Classifier,
    layer: str,
    classes: Tensor,
    prior: LogDensity,
    image: Tensor,
    *,
    temperature: float = 1.0,
) -> LogDensity:
    """Return `log p(class | decode(z)) / temperature + log p(z)`, for a batch of chains.

    The decoded representation stands in for the layer's output (Nguyen et al. 2017, "Plug & play
    generative networks", with a density of the latents as the prior). At temperature 1 it is the
    posterior of z given the class, as far as the classifier is right about decoded latents and the
    prior about latents. The lower the temperature, the more the class counts.

    Args:
        autoencoder: of the layer, with continuous latents; in eval mode.
        classifier: in eval mode.
        layer: whose output the decoder gives; all of the classifier has to go through it.
        classes: `(chains,)`, the class of each chain.
        prior: log density of latents.
        image: `(c, h, w)`, any one: the layer's own output is not used.
        temperature: above 0.

    Cost of a gradient: one pass through decoder and classifier, and one back.
    """
    positive(temperature, "--temperature")

    def log_density(latents: Tensor) -> Tensor:
        if len(latents) != len(classes):
            raise InputError(
                f"classes: expected one for each of {len(latents)} chains, found {len(classes)}."
            )
        rows = autoencoder.decode(latents)
        images = image.expand(len(rows), *image.shape)
        logits = logits_with(classifier, layer, rows, images)
        return log_probability(logits, classes) / temperature + prior(latents)

    return log_density
