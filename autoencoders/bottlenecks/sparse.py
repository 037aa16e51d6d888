"""A sparse dictionary: of many entries, few are active for a vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from autoencoders.bottlenecks.latent import Latent

DEAD_AFTER = 10.0
"""An entry is dead when it has not been active for so many times as many vectors as it would take,
were all entries alike, for it to be active once."""
AUXILIARY = 1 / 32
"""Weight of the loss that revives dead entries (Gao et al. 2024)."""
PROBES = 1024
"""Gaussian vectors that the encoder's first scale is found from."""
FOLLOW = 0.01
"""Share by which the threshold of BatchTopK follows each batch."""


class Dictionary(nn.Module):
    """A sparse autoencoder of one layer, on vectors or on the channels of each position of a map.

    The largest entries are kept: `active` of each vector (TopK; Gao et al. 2024, "Scaling and
    evaluating sparse autoencoders"), or `active` per vector on average over the batch (BatchTopK;
    Bussmann et al. 2024), which in eval mode are those above a threshold that training follows. The
    encoder begins as the transpose of the decoder, whose columns have length 1, times the factor
    that makes reconstructions of Gaussian vectors as good as it can: where the entries are many for
    the numbers of a vector, they would be several times too large. Dead entries have a loss of
    their own: what the reconstruction leaves over, from the largest of them alone.

    Args:
        size: numbers of a vector, or channels.
        entries: of the dictionary.
        active: see above.
        batch: BatchTopK rather than TopK.
    """

    idle: Tensor
    threshold: Tensor

    def __init__(self, size: int, entries: int, active: int, batch: bool) -> None:
        super().__init__()
        self.size, self.entries, self.active, self.batch = size, entries, active, batch
        self.encoder, self.decoder = nn.Linear(size, entries), nn.Linear(entries, size)
        with torch.no_grad():
            directions = functional.normalize(torch.randn(size, entries), dim=0)
            self.decoder.weight.copy_(directions)
            self.encoder.weight.copy_(_first_factor(directions, active) * directions.T)
            self.encoder.bias.zero_()
            self.decoder.bias.zero_()
        self.register_buffer("idle", torch.zeros(entries))
        self.register_buffer("threshold", torch.zeros(()))

    def forward(self, rows: Tensor) -> Latent:
        """Return the activations of representations `(n, size)` or `(n, size, h, w)`.

        The value has their form, with `entries` channels.
        """
        vectors = _vectors(rows)
        strengths = functional.relu(self.encoder(vectors - self.decoder.bias))
        kept = self._largest(strengths)
        penalty = rows.new_zeros(())
        if self.training:
            penalty = self._revival(vectors, kept, strengths)
        shown = (kept > 0).to(rows).sum(1).mean().detach()
        dead = (self.idle > self._patience()).to(rows).mean()
        return Latent(_like(kept, rows), penalty, {"active": shown, "dead": dead})

    def decode(self, latent: Tensor) -> Tensor:
        """Return representations of activations in their form."""
        return _like(self.decoder(_vectors(latent)), latent)

    def _largest(self, strengths: Tensor) -> Tensor:
        """Return the activations with all but the largest set to 0."""
        if not self.batch:
            values, places = strengths.topk(self.active, dim=1)
            return torch.zeros_like(strengths).scatter(1, places, values)
        if not self.training:
            return torch.where(strengths > self.threshold, strengths, 0)
        wanted = min(self.active * len(strengths), strengths.numel())
        lowest = strengths.detach().flatten().topk(wanted).values[-1]
        with torch.no_grad():
            begun = self.threshold > 0
            step = FOLLOW if bool(begun) else 1.0
            self.threshold += step * (lowest - self.threshold)
        return torch.where(strengths >= lowest.clamp_min(1e-12), strengths, 0)

    def _patience(self) -> float:
        """Return how many vectors an entry may be inactive for."""
        return DEAD_AFTER * self.entries / self.active

    def _revival(self, vectors: Tensor, kept: Tensor, strengths: Tensor) -> Tensor:
        """Note who was active, and return the loss of the dead."""
        with torch.no_grad():
            fired = (kept > 0).any(0)
            self.idle += len(vectors)
            self.idle[fired] = 0
            dead = self.idle > self._patience()
        count = min(int(dead.sum()), max(1, self.size // 2))
        if not count:
            return vectors.new_zeros(())
        left = (vectors - self.decoder(kept)).detach()
        values, places = strengths.masked_fill(~dead, -torch.inf).topk(count, dim=1)
        # The strength of a dead entry is 0, which has no gradient: its input is taken instead.
        raw = self.encoder(vectors - self.decoder.bias).gather(1, places)
        values = torch.where(values > 0, values, raw)
        alone = torch.zeros_like(strengths).scatter(1, places, values)
        guess = alone @ self.decoder.weight.T
        scale = left.square().sum(1).mean().clamp_min(1e-12)
        return AUXILIARY * (guess - left).square().sum(1).mean() / scale

    @torch.no_grad()
    def normalise(self) -> None:
        """Give the decoder's columns length 1 again, after a step of the optimiser."""
        self.decoder.weight.copy_(functional.normalize(self.decoder.weight, dim=0))


def _first_factor(directions: Tensor, active: int) -> Tensor:
    """Return by what to multiply reconstructions from the largest projections on `(d, k)` columns.

    The least-squares factor `<x', x> / <x', x'>`, over Gaussian vectors.
    """
    vectors = torch.randn(PROBES, directions.shape[0])
    values, places = functional.relu(vectors @ directions).topk(active, dim=1)
    kept = torch.zeros(PROBES, directions.shape[1]).scatter(1, places, values)
    guesses = kept @ directions.T
    return (guesses * vectors).sum() / guesses.square().sum()


def _vectors(rows: Tensor) -> Tensor:
    """Return vectors, one for each example or position, `(m, size)`."""
    return rows if rows.ndim == 2 else rows.movedim(1, -1).flatten(0, -2)


def _like(vectors: Tensor, rows: Tensor) -> Tensor:
    """Return vectors in the form of the rows they were taken from."""
    if rows.ndim == 2:
        return vectors
    return vectors.reshape(len(rows), *rows.shape[2:], -1).movedim(-1, 1)
