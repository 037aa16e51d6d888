"""A linear autoencoder and a linear classifier, for which everything is known in closed form."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from autoencoders import Autoencoder, Design
from core.representations import Moments


def linear_autoencoder(
    encoder: Tensor, decoder: Tensor, offset: Tensor, spread: Tensor
) -> Autoencoder:
    """`z = E x` and `x' = D z + offset`, in float64, with this spread of the latent."""
    k, d = encoder.shape
    autoencoder = Autoencoder(
        Design("ae", latent=k, depth=0), Moments(1, np.zeros(d), np.ones(d))
    ).double()
    with torch.no_grad():
        for module, weight, bias in (
            (autoencoder.encoder, encoder, torch.zeros(k)),
            (autoencoder.decoder, decoder, offset),
        ):
            layer = next(m for m in module.modules() if isinstance(m, nn.Linear))
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        assert autoencoder.spread is not None
        autoencoder.spread.copy_(spread)
    return autoencoder.eval()


def linear_classifier(weight: Tensor, bias: Tensor) -> nn.Module:
    """Logits `W x + b`, in float64."""
    network = nn.Linear(weight.shape[1], weight.shape[0]).double()
    with torch.no_grad():
        network.weight.copy_(weight)
        network.bias.copy_(bias)
    return network.eval()
