"""No bottleneck but the latent's size."""

from __future__ import annotations

from torch import Tensor, nn

from autoencoders.bottlenecks.latent import Latent


class Plain(nn.Module):
    """The latent is what the encoder gives."""

    def forward(self, encoded: Tensor) -> Latent:
        """Return the latent, at no cost."""
        return Latent(encoded, encoded.new_zeros(()))
