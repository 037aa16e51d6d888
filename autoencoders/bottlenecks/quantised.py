"""Codes at each position of a map: learnt ones, or a fixed grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import FSQ, VectorQuantize

from autoencoders.bottlenecks.latent import Latent

DECAY = 0.99
"""Of the moving averages that the codes follow."""
DEAD = 2.0
"""A code whose moving count of uses is below this is started anew from an input of the batch."""
COMMITMENT = 0.25


class Codes(nn.Module):
    """Vector quantisation (van den Oord et al. 2017) that uses its codes.

    What is quantised is standardised over batch and positions, projected to few numbers (Yu et al.
    2022), and compared with codes that begin as the means of k-means on the first batch, follow
    moving averages, and are started anew when they die (Dhariwal et al. 2020). Left out, each of
    these costs most of the codes.
    """

    def __init__(self, channels: int, codes: int, code_size: int) -> None:
        super().__init__()
        self.codes = codes
        self.standardise = nn.BatchNorm2d(channels, affine=False)
        self.quantiser = VectorQuantize(
            dim=channels,
            codebook_size=codes,
            codebook_dim=min(code_size, channels),
            decay=DECAY,
            kmeans_init=True,
            kmeans_iters=10,
            threshold_ema_dead_code=DEAD,
            commitment_weight=COMMITMENT,
            accept_image_fmap=True,
            sync_codebook=False,
        )

    def forward(self, encoded: Tensor) -> Latent:
        """Return the map of codes of `(n, channels, s, t)`."""
        quantised, indices, penalty = self.quantiser(self.standardise(encoded))
        return Latent(quantised, penalty.sum(), codes=indices.flatten(1))

    def decode_codes(self, codes: Tensor, side: tuple[int, int]) -> Tensor:
        """Return the map `(n, channels, s, t)` of codes `(n, s * t)`."""
        vectors = self.quantiser.get_output_from_indices(codes)
        return vectors.reshape(len(codes), *side, -1).movedim(-1, 1)


class Grid(nn.Module):
    """Finite scalar quantisation (Mentzer et al. 2024): each number is rounded to a few levels.

    There is nothing to learn and nothing to tune; all codes are used without further ado.
    """

    def __init__(self, channels: int, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.codes = int(torch.tensor(levels).prod())
        self.quantiser = FSQ(list(levels), dim=channels, channel_first=True)

    def forward(self, encoded: Tensor) -> Latent:
        """Return the map of codes of `(n, channels, s, t)`."""
        quantised, indices = self.quantiser(encoded)
        return Latent(quantised, encoded.new_zeros(()), codes=indices.flatten(1).long())
