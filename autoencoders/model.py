"""An autoencoder of representations: encoder, bottleneck and decoder, in the layer's own units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autoencoders.bottlenecks.gaussian import Gaussian
from autoencoders.bottlenecks.latent import Latent
from autoencoders.bottlenecks.plain import Plain
from autoencoders.bottlenecks.quantised import Codes, Grid
from autoencoders.bottlenecks.sparse import Dictionary
from autoencoders.designs import VECTORS, Design
from autoencoders.networks import (
    encoder_and_decoder,
    map_encoder_and_decoder,
)
from autoencoders.standardising import Standardiser
from core.errors import InputError
from core.representations import Moments


@dataclass(frozen=True)
class Loss:
    """What a training step is led by.

    Attributes:
        total: to be minimised, one number.
        unexplained: the share of the variance that is left, averaged over the batch.
        numbers: further numbers for the record.
    """

    total: Tensor
    unexplained: Tensor
    numbers: Mapping[str, Tensor]


class Autoencoder(nn.Module):
    """Maps representations `(n, ...)` of a layer to their reconstructions, of the same shape.

    In eval mode it draws nothing: the latent of a VAE is the posterior's mean.

    `spread`, `(latent,)`, is the standard deviation of each number of the latent over genuine
    representations that were not trained on, found in training and kept with the weights: the
    latent's own unit of length. It is 0 before any training; kinds whose latent is no vector have
    none.

    Args:
        design: its kind and size.
        moments: of the representations it is trained on; their shape is the layer's.

    Raises:
        InputError: a design that does not suit the layer's shape.
    """

    spread: Tensor | None

    def __init__(self, design: Design, moments: Moments) -> None:
        super().__init__()
        self.design = design
        vector = design.kind in VECTORS
        self.register_buffer("spread", torch.zeros(design.latent) if vector else None)
        self.shape: tuple[int, ...] = tuple(moments.mean.shape)
        self.standardise = Standardiser(moments)
        self.bottleneck: nn.Module
        self.encoder, self.bottleneck, self.decoder = _parts(design, self.shape)

    @property
    def kind(self) -> str:
        """The kind of the design."""
        return self.design.kind

    def latent(self, rows: Tensor) -> Latent:
        """Return the latent of representations, with what it costs."""
        self._check(rows)
        found: Latent = self.bottleneck(self.encoder(self.standardise(rows)))
        return found

    def encode(self, rows: Tensor) -> Tensor:
        """Return what the decoder is given for representations, `(n, ...)`."""
        return self.latent(rows).value

    def decode(self, latent: Tensor) -> Tensor:
        """Return the representations of latents."""
        return self.standardise.back(self._decoded(latent))

    def forward(self, rows: Tensor) -> Tensor:
        """Return the reconstructions of representations."""
        return self.decode(self.encode(rows))

    def loss(self, rows: Tensor) -> Loss:
        """Return the training loss of a batch.

        The reconstruction's squared error, in units of the variance of all numbers together; for a
        `vae` the negative evidence lower bound in nats, whose Gaussian has the deviation of the
        design or the best one for the batch.
        """
        clean = self.standardise(rows)
        given = clean
        if self.kind == "dae" and self.training:
            given = clean + self.design.noise * torch.randn_like(clean)
        latent: Latent = self.bottleneck(self.encoder(given))
        errors = (self._decoded(latent.value) - clean).flatten(1).square()
        unexplained = errors.mean()
        total = unexplained + latent.penalty
        if self.kind == "vae":
            total = self._negative_log_likelihood(errors) + latent.penalty
        numbers = {name: value.detach() for name, value in latent.numbers.items()}
        return Loss(total, unexplained.detach(), numbers)

    def after_step(self) -> None:
        """Put right what a step of the optimiser must not change."""
        if isinstance(self.bottleneck, Dictionary):
            self.bottleneck.normalise()

    def _negative_log_likelihood(self, errors: Tensor) -> Tensor:
        """Return minus the log-density of the batch, per example, up to a constant."""
        if self.design.deviation is None:
            return errors.shape[1] / 2 * errors.mean().clamp_min(1e-12).log()
        deviation = self.design.deviation / self.standardise.scale
        return errors.sum(1).mean() / (2 * deviation**2)

    def _decoded(self, latent: Tensor) -> Tensor:
        if isinstance(self.bottleneck, Dictionary):
            return self.bottleneck.decode(latent)
        found: Tensor = self.decoder(latent)
        return found

    def _check(self, rows: Tensor) -> None:
        if tuple(rows.shape[1:]) != self.shape:
            raise InputError(
                f"representations: expected shape {self.shape}, found {tuple(rows.shape[1:])}."
            )


def _parts(design: Design, shape: Sequence[int]) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Return encoder, bottleneck and decoder of a design for a layer's shape."""
    kind = design.kind
    if kind == "sae":
        dictionary = Dictionary(shape[0], design.latent, design.active, design.batch_active)
        return nn.Identity(), dictionary, nn.Identity()
    if kind in ("vqvae", "fsq"):
        channels = design.latent
        encoder, decoder = map_encoder_and_decoder(
            shape, channels, design.width, design.depth, design.positions
        )
        quantiser = (
            Codes(channels, design.codes, design.code_size)
            if kind == "vqvae"
            else Grid(channels, design.levels)
        )
        return encoder, quantiser, decoder
    doubled = 2 if kind == "vae" else 1
    if design.latent > math.prod(shape):
        raise InputError(
            f"--latent: expected at most the {math.prod(shape)} numbers of the layer, found "
            f"{design.latent}."
        )
    encoder, decoder = encoder_and_decoder(
        shape, doubled * design.latent, design.latent, design.width, design.depth
    )
    bottleneck = Gaussian(design.beta, design.free_bits) if kind == "vae" else Plain()
    return encoder, bottleneck, decoder
