"""Networks of ours in the form that pythae takes."""

from __future__ import annotations

import importlib
from typing import Any

from torch import Tensor, nn

from autoencoders.bottlenecks.gaussian import Gaussian


def wrapped(encoder: nn.Module, decoder: nn.Module, gaussian: bool) -> tuple[nn.Module, nn.Module]:
    """Return an encoder and a decoder as pythae's, each with ours as its `body`.

    Args:
        encoder: representations to latents; to means and log variances if `gaussian`.
        decoder: latents to representations.
        gaussian: of a variational autoencoder.

    Raises:
        ImportError: pythae is not installed.
    """
    bases: Any = importlib.import_module("pythae.models.nn")
    output = importlib.import_module("pythae.models.base.base_utils").ModelOutput

    class Encoder(bases.BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.body = encoder

        def forward(self, rows: Tensor) -> Any:
            encoded = self.body(rows)
            if not gaussian:
                return output(embedding=encoded)
            mean, log_variance = Gaussian.posterior(encoded)
            return output(embedding=mean, log_covariance=log_variance)

    class Decoder(bases.BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.body = decoder

        def forward(self, latent: Tensor) -> Any:
            return output(reconstruction=self.body(latent))

    return Encoder(), Decoder()
