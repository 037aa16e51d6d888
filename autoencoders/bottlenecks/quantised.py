"""Codes at each position of a map: learnt ones, or a fixed grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import FSQ, VectorQuantize

from autoencoders.bottlenecks.latent import Latent

DECAY = 0.99
"""Of the moving averages that the codes follow."""
DEAD = 0.5
"""A code whose moving count of uses falls below this share of the mean code's is started anew."""
COMMITMENT = 0.25


class Codes(nn.Module):
    """Vector quantisation (van den Oord et al. 2017) that uses its codes.

    What the encoder gives is projected to few numbers (Yu et al. 2022), standardised over batch and
    positions, and compared with codes that begin as the means of k-means on the first batch, follow
    moving averages, and are started anew from an input when they die (Dhariwal et al. 2020). A code
    is dead by comparison with the mean one: a fixed count would call all of them dead where a batch
    has fewer positions than there are codes.
    """

    def __init__(self, channels: int, codes: int, code_size: int) -> None:
        super().__init__()
        self.codes = codes
        size = min(code_size, channels)
        self.project = nn.Conv2d(channels, size, 1)
        self.standardise = nn.BatchNorm2d(size, affine=False)
        self.quantiser = VectorQuantize(
            dim=size,
            codebook_size=codes,
            decay=DECAY,
            kmeans_init=True,
            kmeans_iters=10,
            threshold_ema_dead_code=DEAD,
            commitment_weight=COMMITMENT,
            accept_image_fmap=True,
            sync_codebook=False,
        )
        self.expand = nn.Conv2d(size, channels, 1)

    def forward(self, encoded: Tensor) -> Latent:
        """Return the map of codes of `(n, channels, s, t)`."""
        points = self.standardise(self.project(encoded))
        if self.training:
            self._expect(points)
        quantised, indices, penalty = self.quantiser(points)
        return Latent(self.expand(quantised), penalty.sum(), codes=indices.flatten(1))

    def decode_codes(self, codes: Tensor, side: tuple[int, int]) -> Tensor:
        """Return the map `(n, channels, s, t)` of codes `(n, s * t)`."""
        vectors = self.quantiser.get_output_from_indices(codes.unflatten(1, side))
        return self.expand(vectors)

    def _expect(self, points: Tensor) -> None:
        """Tell the code-book how often the mean code is taken in a batch of this size.

        It knows one count for all batches alone, as an attribute: below it a code is dead, and with
        another one a new code begins.
        """
        mean = points.shape[0] * points.shape[2] * points.shape[3] / self.codes
        self.quantiser._codebook.threshold_ema_dead_code = DEAD * mean
        self.quantiser._codebook.reset_cluster_size = mean


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
