"""The Gaussian bottleneck of a variational autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autoencoders.bottlenecks.latent import Latent

LOG_VARIANCE = (-20.0, 10.0)
"""Of the posterior: beyond it nothing is gained and float32 ends."""


class Gaussian(nn.Module):
    """A diagonal Gaussian per example, drawn from in training, its mean in eval mode.

    The divergence from the standard normal prior is `sum_j (m_j^2 + v_j - 1 - log v_j) / 2` nats
    (Kingma and Welling 2014), weighted by `beta` (Higgins et al. 2017). A latent number whose mean
    divergence over the batch is below `free_bits` nats costs these all the same, so that nothing is
    gained by giving it up (Kingma et al. 2016).
    """

    def __init__(self, beta: float, free_bits: float) -> None:
        super().__init__()
        self.beta, self.free_bits = beta, free_bits

    def forward(self, encoded: Tensor) -> Latent:
        """Return the latent of `(n, 2 k)`: means, then log variances."""
        mean, log_variance = self.posterior(encoded)
        divergence = divergences(mean, log_variance).mean(0)
        value = mean
        if self.training:
            value = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        charged = divergence.clamp_min(self.free_bits) if self.free_bits else divergence
        numbers = {"kl": divergence.sum().detach()}
        return Latent(value, self.beta * charged.sum(), numbers)

    @staticmethod
    def posterior(encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log variances, `(n, k)` each."""
        mean, log_variance = encoded.chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE)


def divergences(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the divergence of each latent number's posterior from the prior, in nats, `(n, k)`.

    >>> divergences(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
    tensor([[0., 2.]])
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance) / 2
