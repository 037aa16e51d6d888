"""Moves of a layer's outputs: to a sample around the latent, and to noise as far away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from attacks.noise import random_steps
from attacks.norms import lengths, per_example, unit
from autoencoders.fitting import Rows
from autoencoders.model import Autoencoder
from core.errors import InputError
from core.models import weights_fingerprint
from core.options import within
from core.randomness import normal

KINDS = ("ae", "dae", "vae")
"""Kinds whose latent is a vector of numbers, around which a Gaussian makes sense."""

Streams = Callable[[str], list[np.random.Generator]]
"""From a purpose to the random numbers of each row."""


class Move(Protocol):
    """What is done to a layer's outputs."""

    def __call__(self, rows: Tensor, streams: Streams) -> Tensor:
        """Return the steps, as `rows` `(n, ...)`; without a gradient."""

    def identity(self) -> dict[str, Any]:
        """Return plain values that tell this move from others."""


@dataclass(frozen=True)
class AutoencoderMove:
    """To a sample around the latent: `decode(encode(x) + scale * deviation * noise)`.

    With scale 0 it is the plain reconstruction, and nothing is random.

    Attributes:
        autoencoder: of the layer, frozen and in eval mode; its kind one of `KINDS`.
        deviation: of each number of the latent over the training examples, see `latent_deviation`.
        scale: of the standard normal noise.
        box: whether rows are images, so that what is decoded is cut to [0, 1].

    Raises:
        InputError: another kind, a deviation of another shape, or a negative scale.
    """

    autoencoder: Autoencoder
    deviation: Tensor
    scale: float = 0.5
    box: bool = False

    def __post_init__(self) -> None:
        within(self.scale, 0, float("inf"), "--scale")
        design = self.autoencoder.design
        if design.kind not in KINDS:
            raise InputError(
                f"--kind: expected {', '.join(KINDS)}, whose latent is a vector with room around "
                f"it; found {design.kind}."
            )
        if tuple(self.deviation.shape) != (design.latent,):
            raise InputError(
                f"deviation: expected one number for each of the {design.latent} of the latent, "
                f"found shape {tuple(self.deviation.shape)}."
            )

    def identity(self) -> dict[str, Any]:
        """Return the fingerprint of the weights, and the settings."""
        state = {**self.autoencoder.state_dict(), "move.deviation": self.deviation}
        return {
            "autoencoder": weights_fingerprint([state]),
            "scale": float(self.scale),
            "box": self.box,
        }

    def __call__(self, rows: Tensor, streams: Streams) -> Tensor:
        """Return the steps of rows `(n, ...)` to their samples; one pass of the autoencoder."""
        with torch.no_grad():
            latent = self.autoencoder.encode(rows)
            if self.scale > 0:
                noise = normal(streams("latent noise"), latent.shape[1:], latent)
                latent = latent + self.scale * self.deviation.to(latent) * noise
            decoded = self.autoencoder.decode(latent)
            if self.box:
                decoded = decoded.clamp(0, 1)
            return decoded - rows


@dataclass(frozen=True)
class NoiseMove:
    """In a random direction, exactly as far as another move goes from the same example.

    The direction is uniform on the sphere. Images stay in [0, 1] as the noise control of attacks
    does: a component that would leave the box turns round, and what is cut off at the box is made
    up for by the others.

    Attributes:
        like: the move whose l2 length is taken, example by example.
    """

    like: AutoencoderMove

    def identity(self) -> dict[str, Any]:
        """Return that of the move it is as long as."""
        return {"noise_like": self.like.identity()}

    def __call__(self, rows: Tensor, streams: Streams) -> Tensor:
        """Return the steps of rows `(n, ...)`; costs as much as the other move."""
        radii = lengths(self.like(rows, streams), "l2")
        own = streams("noise of equal length")
        if self.like.box:
            return random_steps(rows, radii, "l2", own)
        return per_example(radii, rows) * unit(normal(own, rows.shape[1:], rows))


def latent_deviation(autoencoder: Autoencoder, rows: Rows, batch_size: int = 256) -> Tensor:
    """Return the standard deviation of each number of the latent over examples, `(latent,)`.

    Args:
        autoencoder: frozen and in eval mode.
        rows: representations of the training examples, at least 2.
        batch_size: of them held at a time.
    """
    device = autoencoder.standardise.mean.device
    parts = []
    with torch.no_grad():
        for _, part in rows.batches(batch_size):
            given = torch.from_numpy(np.asarray(part, np.float32)).to(device)
            parts.append(autoencoder.encode(given).cpu().double())
    return torch.cat(parts).std(0).float().to(device)
